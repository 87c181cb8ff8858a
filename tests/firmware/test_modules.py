"""Modules of target mcu answer alike on the desk, in the C host as a process, and on emulated boards."""

from functools import cache

import numpy as np
import pytest

from controller.compiler import CompiledModule, Instance, ModelProject, build, compile_model
from tests.bench import zoo
from tests.contract.compiler.conftest import SAMPLES, sample_inputs
from tests.engines.cases import PROJECTS
from tests.firmware.machines import PORTS, TICK_INSTRUCTIONS, run_module
from tests.support import onnx_models

MOST_INSTRUCTIONS = {"ds_cnn": 5_500_000, "vww": 14_000_000, "resnet8": 20_000_000, "autoencoder": 600_000}
"""Of one inference on a Cortex-M7."""
SMALL = ("mobile_block", "squeeze_excite", "concat", "softmax", "conv_depthwise", "lstm")


@cache
def compiled(name: str, target: str) -> CompiledModule:
    """A network of MLPerf Tiny with drawn weights, a project, or a small model in float32."""
    if name in zoo.TINY:
        net = zoo.MODELS[name].build()
        samples = np.random.default_rng(7).standard_normal((2, *net.shapes["x"])).astype(np.float32)
        return compile_model(net.model(), calibration={"x": samples}, name="tiny", target=target)
    if name == "crop-model":
        return build(ModelProject.load(PROJECTS / name), targets=[target]).modules[target]
    model = onnx_models.build(name.removesuffix(" int8"))
    calibration = sample_inputs(model, SAMPLES) if name.endswith(" int8") else None
    return compile_model(model, calibration=calibration, target=target)


def drawn(module: CompiledModule) -> dict[str, np.ndarray]:
    random = np.random.default_rng(11)
    return {
        tensor.name: random.integers(-128, 128, tensor.shape, np.int8)
        if tensor.dtype == "int8"
        else random.standard_normal(tensor.shape).astype(tensor.dtype)
        for tensor in module.meta.inputs
    }


def answers_alike(port, name, folder):
    module = compiled(name, "mcu")
    given = drawn(module)
    wanted = Instance(compiled(name, "mvp").wasm).run(given)
    assert {n: v.tobytes() for n, v in Instance(module.wasm).run(given).items()} == {
        n: v.tobytes() for n, v in wanted.items()
    }
    output = wanted[module.meta.outputs[0].name].tobytes()
    (only,) = given.values()
    found = run_module(port, folder, module.wasm, only.tobytes(), len(output))
    assert found.output == output
    assert found.memory == -(-module.meta.memory // 8) * 8
    assert len(found.layers) == len(module.meta.layers)
    assert (found.again, found.left < 64) == (found.pool, True)
    return found


@pytest.mark.parametrize("name", [*zoo.TINY, "crop-model"])
@pytest.mark.parametrize("port", PORTS)
def test_networks(port, name, tmp_path):
    found = answers_alike(port, name, tmp_path)
    if port == "mps2-an500" and name in MOST_INSTRUCTIONS:
        assert found.ticks * TICK_INSTRUCTIONS <= MOST_INSTRUCTIONS[name]


@pytest.mark.parametrize("kind", ["", " int8"])
@pytest.mark.parametrize("name", [name for name in SMALL if name in onnx_models.RECIPES])
@pytest.mark.parametrize("port", ["mps2-an500", "posix"])
def test_operators(port, name, kind, tmp_path):
    """In float32 some kernels are carried as Wasm."""
    answers_alike(port, name + kind, tmp_path)

"""The target `relaxed`: 7-bit weights, the same bits everywhere, in engines that were asked to run it."""

import asyncio

import numpy as np
import pytest
import wasmtime
from onnx import TensorProto, helper

from controller.compiler import Instance, build, compile_model
from controller.compiler.errors import UnsupportedError
from controller.compiler.ir.document import decode
from device_agent.runner.engine import new_engine
from device_agent.runner.supervisor import Runner
from tests.contract.compiler.conftest import SAMPLES, sample_inputs
from tests.support import onnx_models as models

NAME = "mobile_block"


@pytest.fixture
def made(make_project):
    """For all targets; `build` has held each to the oracle."""
    return build(make_project(models.build(NAME)), targets=["relaxed", "simd", "mvp"])


def _weights(document):
    """Of products over channels; depthwise; by the graph that was compiled."""
    graph, products, depthwise = decode(document), [], []
    for node in graph.nodes:
        if node.op in ("Conv", "Gemm", "MatMul"):
            weights = graph.tensors[node.inputs[1]].data
            (depthwise if node.attrs.get("group", 1) > 1 else products).append(weights)
    return products, depthwise


def test_all_targets_of_a_release_have_the_same_narrow_weights(made):
    products, depthwise = _weights(made.graph)
    assert products
    assert min(weights.min() for weights in products) >= -64
    assert 60 <= max(weights.max() for weights in products) <= 63
    assert max(abs(weights).max() for weights in depthwise) > 64
    assert "7-bit weights" in made.provenance["quantization"]
    assert made.modules.keys() == {"relaxed", "simd", "mvp"}


def test_without_the_target_weights_have_all_bits(make_project):
    wide = build(make_project(models.build(NAME)))
    products, _ = _weights(wide.graph)
    assert max(abs(weights).max() for weights in products) == 127
    assert "7-bit" not in wide.provenance["quantization"]


def test_an_engine_takes_it_only_if_asked(made):
    wasm = made.modules["relaxed"].wasm
    wasmtime.Module(new_engine(relaxed=True), wasm)
    with pytest.raises(wasmtime.WasmtimeError, match="relaxed"):
        wasmtime.Module(new_engine(), wasm)
    wasmtime.Module(new_engine(), made.modules["simd"].wasm)


def test_an_engine_that_is_told_to_be_deterministic_gives_the_same_bits(made, monkeypatch):
    """Then wasmtime does what the specification's deterministic profile says, not what the CPU has."""
    sample = {name: value[0] for name, value in sample_inputs(models.build(NAME), 1).items()}
    fast = Instance(made.modules["relaxed"].wasm)
    expected = fast.run(fast.quantize(sample))
    config = wasmtime.Config()
    config.wasm_relaxed_simd_deterministic = True
    engine = wasmtime.Engine(config)
    monkeypatch.setattr("controller.compiler.execute._engine", lambda: engine)
    strict = Instance(made.modules["relaxed"].wasm)
    found = strict.run(strict.quantize(sample))
    assert all(found[name].tobytes() == value.tobytes() for name, value in expected.items())


def test_the_agents_runner_serves_it(made):
    answers = []
    for target in ("relaxed", "simd"):
        module = made.modules[target]
        sample = {name: value[0] for name, value in sample_inputs(models.build(NAME), 1).items()}

        async def answer(module=module, sample=sample):
            runner = await Runner.start(module.meta)
            try:
                await runner.load(module.wasm, None)
                inputs = {name: value.astype(np.float32).tobytes() for name, value in sample.items()}
                return await runner.run(inputs, 30.0)
            finally:
                await runner.stop()

        answers.append(asyncio.run(answer()))
    relaxed, simd = answers
    assert {name: tensor.data for name, tensor in relaxed.items()} == {
        name: tensor.data for name, tensor in simd.items()
    }


def test_one_file_for_it_alone():
    model = models.build(NAME)
    module = compile_model(model, calibration=sample_inputs(model, SAMPLES), target="relaxed")
    assert module.meta.target == "relaxed"
    assert "7-bit weights" in module.meta.provenance["quantization"]


def test_weights_of_8_bits_that_others_made_are_refused():
    scale = helper.make_tensor("s", TensorProto.FLOAT, [], [0.1])
    zero = helper.make_tensor("z", TensorProto.INT8, [], [0])
    weights = helper.make_tensor("w", TensorProto.INT8, [3, 2], [1, -2, 3, 64, 5, 6])
    quantize = [["x", "s", "z"], ["q"]]
    nodes = [
        helper.make_node("QuantizeLinear", *quantize),
        helper.make_node("QLinearMatMul", ["q", "s", "z", "w", "s", "z", "s", "z"], ["p"], "/product"),
        helper.make_node("DequantizeLinear", ["p", "s", "z"], ["y"]),
    ]
    x, y = (
        helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, size]) for n, size in (("x", 3), ("y", 2))
    )
    model = helper.make_model(
        helper.make_graph(nodes, "g", [x], [y], [scale, zero, weights]),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=10,
    )  # fmt: skip
    with pytest.raises(UnsupportedError) as caught:
        compile_model(model, target="relaxed")
    assert "/product" in str(caught.value)
    assert "-2 to 64" in caught.value.what
    assert "--target simd" in caught.value.remedy
    compile_model(model, target="simd")

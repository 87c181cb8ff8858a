"""Each kernel that is compiled from a template is broken once; the error must name the layer it broke in.

The models are those of ONNX's own suite, and one of onnxruntime's: for every template the first that uses it.
"""

import re
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest

from controller.compiler import Instance, LayerTrap, resources
from controller.compiler.emit import Header, emit
from controller.compiler.frontend import import_model, read
from controller.compiler.ir import Graph
from controller.compiler.passes import FLOAT_PASSES, apply, assign_layout
from controller.compiler.plan import Plan, plan
from controller.compiler.targets import find_target
from protocol.errors import FleetError
from tests.support.few_bits import matmul_nbits
from tests.support.patch_wasm import names, trap_in

MVP = find_target("mvp")
GENERAL = Path(__file__).parents[3] / "controller" / "compiler" / "plan" / "lower" / "general"
LARGEST = 20_000
"""Bytes of a model; larger ones say nothing more."""


class Use(NamedTuple):
    """A model that uses a template: its plan, and the layer and the kernel in which it does."""

    graph: Graph
    plan: Plan
    layer: int
    kernel: str


def _models() -> list[onnx.ModelProto]:
    with warnings.catch_warnings():
        # Cases are made with casts that overflow, on purpose.
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        cases = collect_testcases(None)
    of_onnx = [case.model for case in cases if not case.name.endswith("_expanded")]
    return [*of_onnx, matmul_nbits(4, np.random.default_rng(0))]


@pytest.fixture(scope="module")
def uses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Use]:
    """By template."""
    file = tmp_path_factory.mktemp("models") / "model.onnx"
    found: dict[str, Use] = {}
    for model in _models():
        if model.ByteSize() > LARGEST:
            continue
        file.write_bytes(model.SerializeToString())
        try:
            graph = import_model(read(file), {}, "test")
            apply(graph, FLOAT_PASSES)
            assign_layout(graph)
            planned = plan(graph, MVP)
        except FleetError:
            continue
        for index, step in enumerate(planned.steps):
            for call in step.calls:
                if call.template is not None:
                    found.setdefault(call.template.file, Use(graph, planned, index, call.kernel))
    return found


def _templates() -> list[str]:
    """Every template that a lowering asks for."""
    kernels = {path.name for path in (resources.kernels() / "general").glob("*.h")}
    asked = {name for path in GENERAL.glob("*.py") for name in re.findall(r'"(\w+\.h)"', path.read_text())}
    return sorted(kernels & asked)


@pytest.mark.parametrize("template", _templates())
def test_a_trap_names_the_layer(template: str, uses: dict[str, Use]) -> None:
    use = uses[template]
    module = emit(use.graph, use.plan, MVP, Header("test", "0.0.0"))
    layer = module.meta.layers[use.layer]
    # A kernel that clang wrote into its layer breaks with it.
    inlined = use.kernel not in names(module.wasm).values()
    broken = trap_in(module.wasm, layer.name if inlined else use.kernel)
    inputs = {t.name: np.zeros(t.shape, np.dtype(t.dtype)) for t in module.meta.inputs}
    with pytest.raises(LayerTrap) as caught:
        Instance(broken).run(inputs)
    assert caught.value.layer == use.layer
    shape = "x".join(map(str, layer.shape)) or "scalar"
    assert caught.value.what.startswith(
        f"trap in {layer.op.lower()}_{use.layer} ({layer.name}, {layer.detail}) "
    )
    assert f"-> {shape}: " in caught.value.what
    assert "unreachable" in caught.value.what
    for source in module.meta.sources(layer)[:3]:
        assert ("x".join(map(str, source.shape)) or "scalar") in caught.value.what.partition("->")[0]

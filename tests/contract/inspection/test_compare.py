"""Planted faults: the layer that is named is the one that was spoilt."""

import numpy as np
import pytest

from controller.cli.arrays import read_inputs
from controller.compiler import Instance, LayerTrap, ModelProject, build
from controller.inspection.compare import compare, value_of
from controller.inspection.errors import OtherGraphError
from tests.support.patch_wasm import trap_in
from tests.support.real_models import MODULES


@pytest.fixture(scope="module", params=["simd", "mvp"])
def crop(request):
    built = build(ModelProject.load(MODULES / "crop-model"))
    return built.modules[request.param], built.graph


def weight_bytes(module, layer):
    """Where the weights of a layer are in the file."""
    raw = Instance(module.wasm).read(layer.weights.offset, layer.weights.size)
    assert module.wasm.count(raw) == 1
    return module.wasm.index(raw), raw


def test_a_sound_module_is_equal_in_every_layer(crop):
    module, graph = crop
    done = compare(module.wasm, graph, read_inputs((), module.meta))
    assert done.first is None
    assert {layer.verdict for layer in done.layers} <= {"equal", "moved"}
    assert sum(layer.verdict == "equal" for layer in done.layers) >= 6


def test_a_spoilt_weight_is_found_in_its_layer(crop):
    module, graph = crop
    inputs = read_inputs((), module.meta)
    with_weights = [index for index, layer in enumerate(module.meta.layers) if layer.weights]
    assert len(with_weights) >= 4
    for index in with_weights:
        start, raw = weight_bytes(module, module.meta.layers[index])
        # A single weight may meet a zero: some of them are negated.
        end = start + len(raw)
        spoilt = (-np.frombuffer(raw[: len(raw) // 2], np.int8)).tobytes()
        broken = module.wasm[:start] + spoilt + raw[len(spoilt) :] + module.wasm[end:]
        done = compare(broken, graph, inputs)
        assert done.first == index
        difference = done.layers[index].difference
        assert 0 < difference.count <= difference.elements
        assert difference.largest == abs(difference.found - difference.expected) > 0
        assert difference.at in difference.places or difference.count > len(difference.places)


def test_outputs_of_layers_are_told_in_the_order_of_onnx(crop):
    module, _ = crop
    inputs = read_inputs((), module.meta)
    last = None
    for index, raw in Instance(module.wasm).run_layers(inputs):
        last = value_of(module.meta.layers[index], raw)
    (output,) = Instance(module.wasm).run(inputs).values()
    np.testing.assert_array_equal(last, output)


def test_a_module_of_another_graph_is_refused(crop):
    module, graph = crop
    with pytest.raises(OtherGraphError, match="made from graph sha256:"):
        compare(module.wasm, graph + b"\0", read_inputs((), module.meta))


def test_a_trap_names_its_layer(crop):
    module, graph = crop
    layer = next(layer for layer in module.meta.layers if layer.op == "Gemm")
    broken = trap_in(module.wasm, layer.name)
    with pytest.raises(LayerTrap, match=r"trap in gemm_\d \(/head/gemm, Gemm 48->6\) 1x48x1x1 -> 1x6: "):
        compare(broken, graph, read_inputs((), module.meta))

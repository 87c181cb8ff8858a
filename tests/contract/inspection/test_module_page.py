"""The page of a real module: what it draws is what the module says."""

import json
import re

import numpy as np
import pytest

from controller.compiler import Instance, ModelProject, build, compile_model
from controller.inspection.pages import module_page
from controller.inspection.weights import BINS, project_weights, stored_weights
from tests.support import onnx_models as models
from tests.support.real_models import MODULES


@pytest.fixture(scope="module")
def project():
    return ModelProject.load(MODULES / "crop-model")


@pytest.fixture(scope="module")
def crop(project):
    built = build(project)
    return built.modules["simd"], built.graph


@pytest.fixture(scope="module")
def winograd():
    """A module with a layer that takes scratch."""
    samples = np.random.default_rng(2).standard_normal((8, 1, 32, 60, 60)).astype(np.float32)
    return compile_model(models.build("conv_winograd"), calibration={"x": samples})


def drawn(html):
    return json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])


def test_buffers_in_use_at_one_time_do_not_overlap(crop, winograd):
    for module, kinds in ((crop[0], {"value"}), (winograd, {"value", "scratch"})):
        data = drawn(module_page(module.wasm, []))
        buffers = data["buffers"]
        assert {buffer["kind"] for buffer in buffers} == kinds
        arena = data["arena"]
        for buffer in buffers:
            assert arena["offset"] <= buffer["offset"]
            assert buffer["offset"] + buffer["size"] <= arena["offset"] + arena["size"]
        for number, one in enumerate(buffers):
            for other in buffers[number + 1 :]:
                together = one["row"] <= other["last"] and other["row"] <= one["last"]
                overlap = one["offset"] < other["offset"] + other["size"] and (
                    other["offset"] < one["offset"] + one["size"]
                )
                # A layer in place begins in the row in which its source ends.
                heir = other["in_place"] and other["row"] == one["last"]
                assert not (together and overlap) or heir, (one, other)


def test_rows_end_in_the_outputs(crop):
    module, _ = crop
    data = drawn(module_page(module.wasm, []))
    last = data["rows"][-1]
    assert (last["kind"], last["reads"]) == ("output", [len(data["rows"]) - 2])
    assert len(data["rows"]) == 2 + len(module.meta.layers)


def test_weights_before_and_after(crop, project):
    module, graph = crop
    found = project_weights(module.meta, graph, project)
    names = [module.meta.layers[item.layer].name for item in found]
    assert names == [layer.name for layer in module.meta.layers if layer.weights]
    for item in found:
        assert len(item.before) == len(item.after) == BINS
        assert sum(item.before) == sum(item.after) == item.count
        # int8 for each channel: about 40 dB.
        assert 30 < item.noise < 60
    assert drawn(module_page(module.wasm, found))["weights"][0]["noise"] == found[0].noise


def test_weights_of_a_file_alone(crop):
    module, _ = crop
    found = stored_weights(module.meta, Instance(module.wasm).read)
    assert [item.layer for item in found] == [
        i for i, layer in enumerate(module.meta.layers) if layer.weights
    ]
    assert all(item.before is None and sum(item.after) == item.count for item in found)

"""The second real model: float32, fetched out of its wheel, large enough to travel in many chunks."""

from pathlib import Path

import numpy as np
import pytest

from controller.compiler import Build, Instance, ModelProject, Silent, build
from controller.compiler.frontend import import_model, read
from controller.compiler.reference import FloatModel
from controller.compiler.source import onnx_file

PROJECT = Path(__file__).parents[3] / "modules" / "text-direction"


@pytest.fixture(scope="module")
def made() -> Build:
    return build(ModelProject.load(PROJECT))


def test_it_fills_fifteen_chunks(made):
    for module in made.modules.values():
        assert len(module.wasm) >= 500_000
        assert len(module.cuts) > 50
    assert not made.layers_int8


def test_it_equals_onnxruntime_closely(made):
    source = read(onnx_file(made.project, Silent()))
    graph = import_model(source, made.project.shapes, "reference")
    reference, instance = FloatModel(source, graph), Instance(made.modules["simd"].wasm)
    random = np.random.default_rng(4)
    for _ in range(5):
        x = random.uniform(-1, 1, (1, 3, 48, 192)).astype(np.float32)
        (expected,) = reference.run({"x": x}).values()
        (found,) = instance.run({"x": x}).values()
        np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)

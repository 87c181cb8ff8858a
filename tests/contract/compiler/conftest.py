"""Projects made on the spot, and builds of them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

from controller.compiler import Build, ModelProject, build

SAMPLES = 24

MakeProject = Callable[..., ModelProject]


def sample_inputs(model: onnx.ModelProto, count: int, seed: int = 7) -> dict[str, np.ndarray]:
    """Standard normal values, [sample, *shape], for every input; fewer samples are the first of more."""
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.input}
    return {
        name: np.random.default_rng([seed, index]).standard_normal((count, *shape)).astype(np.float32)
        for index, (name, shape) in enumerate(shapes.items())
    }


@pytest.fixture
def make_project(tmp_path: Path) -> MakeProject:
    """Write a project for an ONNX model and load it."""

    def make(
        model: onnx.ModelProto, *, int8: bool = True, extra: str = "", folder: str = "project"
    ) -> ModelProject:
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        onnx.save(model, place / "model.onnx")
        text = 'name = "test-model"\nversion = "1.0.0"\nonnx = "model.onnx"\n'
        if int8:
            np.savez(place / "calibration.npz", **sample_inputs(model, SAMPLES))
            text += '[quantize]\ncalibration = "calibration.npz"\nmethod = "minmax"\n'
        (place / "model.toml").write_text(text + extra)
        return ModelProject.load(place)

    return make


@pytest.fixture
def compile_model(make_project: MakeProject) -> Callable[..., Build]:
    """Compile an ONNX model."""

    def compile_(
        model: onnx.ModelProto,
        *,
        int8: bool = True,
        targets: Sequence[str] = ("simd", "mvp"),
        extra: str = "",
    ) -> Build:
        return build(make_project(model, int8=int8, extra=extra), targets=targets)

    return compile_

"""The models that are measured, each as a project: those of this repository, and two that packages bring."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from controller.compiler import ModelProject
from tests.bench.accuracy import file_types, text_lines
from tests.bench.accuracy.fetch import wheel_folder
from tests.bench.inference.peers import cache_folder

MODULES = Path(__file__).parents[3] / "modules"
BUDGET = 1.0
"""Points that int8 may cost."""
MAGIKA = "magika==1.0.3"
MAGIKA_MODEL = "magika/models/standard_v3_3"
LINES, CALIBRATION_LINES = 2000, 128


@dataclass(frozen=True)
class Prepared:
    """A project with its data.

    Attributes:
        folder: Where `model.toml` lies.
        data: What the evaluation data is, in words.
    """

    folder: Path
    data: str


def crop_model() -> Prepared:
    """Landsat pixels."""
    return Prepared(MODULES / "crop-model", "Landsat neighbourhoods, UCI's test part")


def mnist() -> Prepared:
    """Digits."""
    return Prepared(MODULES / "mnist", "digits of MNIST-5k")


def activity() -> Prepared:
    """A watch's motion."""
    return Prepared(
        MODULES / "activity", "windows of a watch's motion, four subjects that training did not see"
    )


def text_direction() -> Prepared:
    """The project of this repository, in int8, with rendered lines."""
    folder = _folder("text-direction")
    calibration, _, _ = text_lines.samples(CALIBRATION_LINES, calibration=True)
    lines, labels, fonts = text_lines.samples(LINES, calibration=False)
    text = (MODULES / "text-direction" / "model.toml").read_text()
    _write(folder, text, {"x": calibration}, {"x": lines, "label": labels})
    return Prepared(folder, f"synthetic: lines of text rendered in {fonts} fonts, half of them upside down")


def magika() -> Prepared:
    """Types of files; only Conv and MatMul in int8: the other operators carry what tells bytes apart."""
    folder = _folder("magika")
    place = wheel_folder(MAGIKA) / MAGIKA_MODEL
    names = json.loads((place / "config.min.json").read_text())["target_labels_space"]
    calibration, evaluation = file_types.gather(names)
    model = (place / "model.onnx").read_bytes()
    (folder / "magika.onnx").write_bytes(model)
    text = (
        'name = "magika"\nversion = "1.0.0"\nonnx = "magika.onnx"\n[shapes]\nbytes = [1, 2048]\n'
        '[quantize]\noperators = ["Conv", "MatMul"]\n'
    )
    of = [
        (file_types.features(content), names.index(kind))
        for kind, files in evaluation.items()
        for content in files
    ]
    _write(
        folder,
        text,
        {"bytes": np.stack([file_types.features(c) for files in calibration.values() for c in files])},
        {"bytes": np.stack([x for x, _ in of]), "label": np.array([label for _, label in of], np.int64)},
    )
    largest = max(map(len, evaluation.values())) / len(of)
    return Prepared(
        folder, f"files of {len(evaluation)} types from this machine's packages, none above {largest:.1%}"
    )


MODELS: dict[str, Callable[[], Prepared]] = {
    "crop-model": crop_model,
    "mnist": mnist,
    "activity": activity,
    "text-direction": text_direction,
    "magika": magika,
}


def _folder(name: str) -> Path:
    folder = cache_folder() / "accuracy" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write(folder: Path, text: str, calibration: dict[str, Any], evaluation: dict[str, Any]) -> None:
    np.savez(folder / "calibration.npz", **calibration)
    np.savez(folder / "evaluation.npz", **evaluation)
    if "[quantize]" not in text:
        text += "\n[quantize]\n"
    text = re.sub(r"(?m)^\[quantize\]$", '[quantize]\ncalibration = "calibration.npz"', text)
    (folder / "model.toml").write_text(f'{text}\n[evaluate]\ndata = "evaluation.npz"\nbudget = {BUDGET}\n')


def require_disjoint(project: ModelProject) -> None:
    """See that no evaluation sample is a calibration sample.

    Raises:
        ValueError: One is.
    """
    if project.quantize is None or project.evaluate is None:
        raise ValueError(f"{project.name} has no calibration or no evaluation data")
    with (
        np.load(project.path(project.quantize.calibration or "")) as calibration,
        np.load(project.path(project.evaluate.data)) as evaluation,
    ):
        (name,) = calibration.files
        seen = {sha256(sample.tobytes()).digest() for sample in calibration[name]}
        shared = sum(sha256(sample.tobytes()).digest() in seen for sample in evaluation[name])
    if shared:
        raise ValueError(f"{shared} evaluation samples of {project.name} are calibration samples as well")

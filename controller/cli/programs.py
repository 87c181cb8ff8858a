"""Programs of PyTorch that a command is given instead of an ONNX file."""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import onnx

from controller.cli.terminal import note
from controller.compiler import ModelProject, export


def program_name(given: str) -> str:
    """A model's name after `FILE.pt2` or `module:factory`."""
    last = given.rpartition(":")[2] if not given.endswith(".pt2") else Path(given).stem
    return re.sub("[^a-z0-9]+", "-", last.lower()).strip("-")[:63].strip("-") or "model"


def exported(given: str, shapes: Mapping[str, Sequence[int]] | None) -> onnx.ModelProto:
    """The ONNX model of a program.

    Raises:
        TorchError: It cannot be exported here.
    """
    note(f"exporting {given} with torch")
    return export(given, shapes or {})


@contextmanager
def project_of(given: str, shapes: Mapping[str, Sequence[int]] | None) -> Iterator[ModelProject]:
    """A float32 project around a program, for as long as the context lasts.

    Raises:
        TorchError: It cannot be exported here.
    """
    model = exported(given, shapes)
    name = program_name(given)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / f"{name}.onnx"
        onnx.save(model, place)
        yield ModelProject(name=name, version="0.0.0", onnx=place.name, folder=place.parent)

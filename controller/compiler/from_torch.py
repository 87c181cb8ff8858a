"""PyTorch programs to ONNX, where torch is installed: `torch.export`, then torch's own ONNX exporter."""

import importlib
import importlib.util
import inspect
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx

from controller.compiler.errors import TorchError

SUFFIX = ".pt2"
PACKAGES = ("torch", "onnxscript")


def is_torch(given: str) -> bool:
    """Whether this names a program of PyTorch: a `.pt2` file, or `module:factory`."""
    module, colon, factory = given.partition(":")
    named = colon and factory.isidentifier() and all(part.isidentifier() for part in module.split("."))
    return bool(named) or given.endswith(SUFFIX)


def export(given: str, shapes: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
    """Export a program.

    Args:
        given: A file written by `torch.export.save`; or `module:factory`, where calling the factory gives a
            `torch.nn.Module`, or a tuple of one and its example inputs.
        shapes: Shapes of float32 example inputs by parameter of `forward`, for a factory that gives none.

    Raises:
        TorchError: torch is not installed, or cannot load, trace or export the program.
    """
    torch = _torch()
    try:
        # torch warns of its own future; what concerns the model comes as an exception.
        with warnings.catch_warnings(), _quiet():
            warnings.simplefilter("ignore")
            program = _load(torch, given) if given.endswith(SUFFIX) else _trace(torch, given, shapes)
            exported = torch.onnx.export(program, dynamo=True, external_data=False)
    except TorchError:
        raise
    # The exporter's exceptions share no base.
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise TorchError(
            f"torch cannot export {given}: {lines[0]}",
            where=f"torch {torch.__version__}",
            remedy="export it to ONNX by hand, and give the .onnx file",
        ) from error
    model: onnx.ModelProto = exported.model_proto
    return model


def _torch() -> Any:
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise TorchError(
            f"programs of PyTorch need packages that are not installed here: {' and '.join(missing)}",
            remedy=f"pip install {' '.join(missing)}, or export to ONNX where they are",
        )
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise TorchError(
            f"torch is installed and cannot be imported: {error}",
            remedy="repair it, or export to ONNX where it works",
        ) from error


def _load(torch: Any, given: str) -> Any:
    if not Path(given).is_file():
        raise TorchError(f"cannot read {given}: no such file", remedy="give a file of torch.export.save")
    return torch.export.load(given)


def _trace(torch: Any, given: str, shapes: Mapping[str, Sequence[int]]) -> Any:
    name, _, attribute = given.partition(":")
    with _working_folder():
        try:
            factory = getattr(importlib.import_module(name), attribute)
        except (ImportError, AttributeError) as error:
            raise TorchError(
                f"there is no {given}: {error}", where=str(Path.cwd()), remedy="give MODULE:FACTORY"
            ) from error
        made = factory()
    module, example = made if isinstance(made, tuple) else (made, None)
    module = module.eval()
    if example is None:
        names = [name for name in inspect.signature(module.forward).parameters if name in shapes]
        if not names:
            raise TorchError(
                f"{given} gives a module and no example inputs",
                remedy="let it return (module, (x, …)), or give --shape for each parameter of forward",
            )
        example = tuple(torch.zeros(*shapes[name]) for name in names)
    with torch.no_grad():
        return torch.export.export(module, tuple(example))


@contextmanager
def _working_folder() -> Iterator[None]:
    """Let modules be imported from where the command runs, as `python -m` does."""
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


@contextmanager
def _quiet() -> Iterator[None]:
    """Torch prints its progress; stdout is for answers."""
    before = sys.stdout
    with Path(os.devnull).open("w", encoding="utf-8") as sink:
        sys.stdout = sink
        try:
            yield
        finally:
            sys.stdout = before

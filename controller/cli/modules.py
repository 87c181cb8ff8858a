"""Modules that a command is given: a file, or the name of a model that is built if need be."""

from pathlib import Path

from controller.cli import text
from controller.cli.making import package_for
from controller.releases import Package
from protocol.chunks import read_index
from protocol.errors import InputError

LARGEST = 1 << 30
"""Bytes."""


def read_module(file: Path) -> bytes:
    """A module's file.

    Raises:
        InputError: It cannot be read, or is larger than any module.
    """
    try:
        if file.stat().st_size > LARGEST:
            raise InputError(f"{file} is larger than any module", where=text.size(file.stat().st_size))
        return file.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read {file}: {error.strerror}", remedy="give a file made by fleet compile or fleet build"
        ) from error


def is_file(model: str) -> bool:
    """Whether a command was given a file: names have neither dots nor slashes."""
    return "." in model or "/" in model


def find_module(model: str, project: Path | None, target: str) -> bytes:
    """The module of a file, or of a model for a target, built now if it was not built before.

    Raises:
        InputError: There is no such file, model or target.
    """
    if is_file(model):
        return read_module(Path(model))
    return module_of(package_for(model, project), target)


def module_of(package: Package, target: str) -> bytes:
    """The module of a package for a target.

    Raises:
        InputError: It has none for that target.
    """
    if target not in package.targets:
        raise InputError(
            f"{package.model} is not built for target {target}", remedy=f"--target {min(package.targets)}"
        )
    entry = package.targets[target]
    index = read_index(entry.index, package.blobs.__getitem__, target, entry.size)
    return b"".join(package.blobs[chunk.digest] for chunk in index.chunks)

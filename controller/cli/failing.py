"""Failures as `--json` tells them."""

from collections.abc import Iterator
from contextlib import contextmanager

from controller.cli.terminal import emit_line
from controller.compiler import CompileError, LayerTrap
from protocol.errors import FleetError


@contextmanager
def told_as_json(asked: bool) -> Iterator[None]:
    """Print an error that passes as one line of JSON as well: `error` and `layer`.

    `layer` is the ONNX node or the layer of the module that the error is about, null if there is none.
    """
    try:
        yield
    except Exception as error:
        if asked:
            what = error.what if isinstance(error, FleetError) else f"{type(error).__name__}: {error}"
            emit_line({"error": what, "layer": _layer(error)})
        raise


def _layer(error: Exception) -> str | None:
    if isinstance(error, LayerTrap):
        return error.place
    return error.layer if isinstance(error, CompileError) else None

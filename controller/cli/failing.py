"""Failures as `--json` tells them."""

from collections.abc import Iterator
from contextlib import contextmanager

from controller.cli.terminal import emit_line
from controller.compiler import CompileError, Instance, LayerTrap
from protocol.errors import FleetError


class DeadlineError(FleetError):
    """An inference took longer than it may.

    Attributes:
        place: The layer that was running, in words.
    """

    def __init__(self, instance: Instance, seconds: float) -> None:
        meta, layer = instance.meta, instance.layer
        self.place = meta.describe_layer(layer) if 0 <= layer < len(meta.layers) else "no layer"
        super().__init__(
            f"deadline in {self.place}: no end after {seconds:g} s",
            where=f"{meta.name} {meta.version}, target {meta.target}",
            remedy="give it more time with --deadline, or report a module that never ends with its ONNX file",
        )


@contextmanager
def told_as_json(asked: bool) -> Iterator[None]:
    """Print an error that passes as one line of JSON as well: `error` and `layer`.

    `layer` is the ONNX node or the layer of the module that the error is about, null if there is none.
    """
    try:
        yield
    except Exception as error:
        if asked:
            tell(error)
        raise


def tell(error: Exception) -> None:
    """Print an error as one line of JSON."""
    what = error.what if isinstance(error, FleetError) else f"{type(error).__name__}: {error}"
    emit_line({"error": what, "layer": _layer(error)})


def _layer(error: Exception) -> str | None:
    if isinstance(error, LayerTrap | DeadlineError):
        return error.place
    return error.layer if isinstance(error, CompileError) else None

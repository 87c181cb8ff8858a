"""Limits on what a small file can make the compiler do.

Functions that call functions, loops within loops, and constants computed from constants let a file of a few
hundred bytes ask for any amount of time and memory.
"""

import math
from collections.abc import Iterable

import onnx

from controller.compiler.errors import BrokenModelError, UnsupportedError
from controller.compiler.frontend.fold import Type
from controller.compiler.frontend.reader import Source

MAX_WRITTEN_OUT = 10_000
"""Nodes beyond those of the file: bodies of functions, branches and loops."""
MAX_FOLDING_BYTES = 1 << 31
"""What folding reads and writes in all."""


class Budget:
    """Counts down for one model.

    Args:
        source: The model.
    """

    def __init__(self, source: Source) -> None:
        self._where = source.where
        self._nodes = len(source.model.graph.node) + MAX_WRITTEN_OUT
        self._bytes = MAX_FOLDING_BYTES

    def count_node(self, node: onnx.NodeProto) -> None:
        """One more node is imported.

        Raises:
            UnsupportedError: Too many were written out.
        """
        self._nodes -= 1
        if self._nodes < 0:
            raise UnsupportedError(
                node.name,
                node.op_type,
                f"functions, branches and loops of the model, written out, have more than "
                f"{MAX_WRITTEN_OUT:,} nodes",
                where=self._where,
                remedy="give its loops fewer turns, or keep them outside of the model",
            )

    def count_folding(self, node: onnx.NodeProto, types: Iterable[Type]) -> None:
        """One more constant was computed from others.

        Raises:
            BrokenModelError: Too much was computed.
        """
        self._bytes -= sum(math.prod(shape or ()) * dtype.itemsize for dtype, shape in types)
        if self._bytes < 0:
            raise BrokenModelError(
                f"constants of the model take more than {MAX_FOLDING_BYTES >> 30} GiB to compute",
                where=self._where,
                remedy="export the model with its constants folded",
                layer=f"{node.name} ({node.op_type})",
            )


def unforeseen(node: onnx.NodeProto, error: Exception, where: str) -> BrokenModelError:
    """A node that broke the import in a way of its own."""
    if isinstance(error, MemoryError):
        why = "takes more memory than there is"
    else:
        why = f"cannot be imported: {type(error).__name__}: {(str(error).strip() or '?').splitlines()[0]}"
    return BrokenModelError(
        f"node {node.name} ({node.op_type}) {why}",
        where=where,
        remedy="check --shape, or export the model again; if the model is sound, report this with the file",
        layer=f"{node.name} ({node.op_type})",
    )

"""The mean of each channel of a stream, for bias correction."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.compiler.ir import FLOAT, Array, Graph

PRODUCTS = ("Conv", "Gemm", "MatMul")


class ChannelMeans:
    """Sums along every dimension but one.

    Args:
        axis: The dimension that counts channels.
    """

    def __init__(self, axis: int) -> None:
        self._axis = axis
        self._sums: NDArray[np.float64] | None = None
        self._count = 0

    def add(self, values: NDArray[Any]) -> None:
        """Count the elements of an array."""
        sums = np.moveaxis(values, self._axis, -1).reshape(-1, values.shape[self._axis])
        self._count += len(sums)
        added = sums.sum(0, dtype=np.float64)
        self._sums = added if self._sums is None else self._sums + added

    @property
    def value(self) -> Array | None:
        """float64 [channels]; None where nothing, or something that is not finite, was seen."""
        if self._sums is None or not np.all(np.isfinite(self._sums)):
            return None
        return self._sums / self._count


def channel_axes(graph: Graph) -> dict[str, int]:
    """The tensors that products by constants read, each with the dimension of its channels."""
    axes: dict[str, int] = {}
    for node in graph.nodes:
        x = graph.tensors[node.inputs[0]] if node.inputs else None
        if x is None or node.op not in PRODUCTS or x.is_constant or x.dtype != FLOAT:
            continue
        if graph.tensors[node.inputs[1]].is_constant:
            axes.setdefault(x.name, 1 if node.op == "Conv" else len(x.shape) - 1)
    return axes

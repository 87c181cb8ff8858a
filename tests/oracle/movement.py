"""Operators that copy elements and compute nothing."""

import numpy as np

from .arithmetic import Array
from .layer import Layer, Operator


def reshape(layer: Layer) -> Array:
    """The same elements, in the same order, in the shape that the document gives the output."""
    return layer.x(0).reshape(layer.out.shape)


def transpose(layer: Layer) -> Array:
    """Axes in the order ``perm``."""
    return layer.x(0).transpose(layer.node.ints("perm"))


def concat(layer: Layer) -> Array:
    """All inputs one after the other along ``axis``."""
    parts = [layer.x(index) for index in range(len(layer.node.inputs))]
    return np.concatenate(parts, int(layer.node.attrs["axis"]))


OPERATORS: dict[str, Operator] = {
    "Concat": concat,
    "Flatten": reshape,
    "Identity": reshape,
    "Reshape": reshape,
    "Squeeze": reshape,
    "Transpose": transpose,
    "Unsqueeze": reshape,
}

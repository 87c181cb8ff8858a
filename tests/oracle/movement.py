"""Operators that copy elements and compute nothing."""

import numpy as np

from .arithmetic import Array
from .errors import DocumentError
from .layer import Layer, Operator


def _check_scales(layer: Layer, inputs: int = 1) -> None:
    """Copied elements keep their meaning only if scale and zero point stay."""
    for tensor in map(layer.tensor, range(inputs)):
        if (tensor.scale is None) != (layer.out.scale is None) or (
            tensor.scale is not None and (tensor.s, tensor.z) != (layer.out.s, layer.out.z)
        ):
            raise DocumentError(
                f"{layer.node.name} ({layer.node.op}): scale or zero point of {tensor.name!r} changes"
            )


def reshape(layer: Layer) -> Array:
    """The same elements, in the same order, in the shape that the document gives the output."""
    _check_scales(layer)
    return layer.x(0).reshape(layer.out.shape)


def transpose(layer: Layer) -> Array:
    """Axes in the order ``perm``."""
    _check_scales(layer)
    return layer.x(0).transpose(layer.node.ints("perm"))


def concat(layer: Layer) -> Array:
    """All inputs one after the other along ``axis``."""
    _check_scales(layer, len(layer.node.inputs))
    parts = [layer.x(index) for index in range(len(layer.node.inputs))]
    return np.concatenate(parts, int(layer.node.attr("axis")))


OPERATORS: dict[str, Operator] = {
    "Concat": concat,
    "Flatten": reshape,
    "Identity": reshape,
    "Reshape": reshape,
    "Squeeze": reshape,
    "Transpose": transpose,
    "Unsqueeze": reshape,
}

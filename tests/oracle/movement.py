"""Operators that copy elements and compute nothing."""

import numpy as np

from .arithmetic import Array
from .document import Tensor
from .errors import DocumentError
from .layer import Layer, Operator


def _check_scales(layer: Layer, inputs: int = 1, out: Tensor | None = None) -> None:
    """Copied elements keep their meaning only if scale and zero point stay."""
    out = out or layer.out
    for tensor in map(layer.tensor, range(inputs)):
        quantized = {tensor.scale is not None, out.scale is not None}
        if len(quantized) == 2 or (True in quantized and (tensor.s, tensor.z) != (out.s, out.z)):
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


def slice_(layer: Layer) -> Array:
    """The elements ``starts[i] : ends[i] : steps[i]`` of axis ``axes[i]``, counted as ONNX counts them."""
    _check_scales(layer)
    x, starts, ends = layer.x(0), layer.node.ints("starts"), layer.node.ints("ends")
    axes = layer.node.ints("axes", tuple(range(len(starts))))
    steps = layer.node.ints("steps", (1,) * len(starts))
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        at = np.arange(*slice(start, end, step).indices(x.shape[axis]))
        x = x.take(at, axis)
    return x


def gather(layer: Layer) -> Array:
    """x and integer indices → x with ``axis`` replaced by the indices' axes.

    Raises:
        IndexError: An index is out of range: a trap on a device.
    """
    _check_scales(layer)
    x, indices, axis = layer.x(0), layer.x(1), int(layer.node.attrs.get("axis", 0))
    size = x.shape[axis]
    if ((indices < -size) | (indices >= size)).any():
        raise IndexError(f"{layer.node.name}: an index lies outside -{size}..{size - 1}")
    return np.take(x, np.where(indices < 0, indices + size, indices), axis)


def split(layer: Layer) -> list[Array]:
    """Consecutive parts along ``axis``, each as long as its output is declared."""
    axis = int(layer.node.attrs.get("axis", 0))
    parts, start = [], 0
    for name in layer.node.outputs:
        tensor = layer.graph.tensors[name]
        _check_scales(layer, out=tensor)
        at = np.arange(start, start + tensor.shape[axis])
        parts.append(layer.x(0).take(at, axis))
        start += tensor.shape[axis]
    if start != layer.x(0).shape[axis]:
        raise DocumentError(
            f"{layer.node.name}: the parts cover {start} of {layer.x(0).shape[axis]} elements"
        )
    return parts


OPERATORS: dict[str, Operator] = {
    "Concat": concat,
    "Flatten": reshape,
    "Gather": gather,
    "Identity": reshape,
    "Reshape": reshape,
    "Slice": slice_,
    "Split": split,
    "Squeeze": reshape,
    "Transpose": transpose,
    "Unsqueeze": reshape,
}

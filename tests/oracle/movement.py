"""Operators that copy elements and compute nothing."""

import math

import numpy as np

from .arithmetic import Array
from .errors import DocumentError
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


def bit_cast(layer: Layer) -> Array:
    """The same bytes as another type."""
    return np.ascontiguousarray(layer.x(0)).view(layer.out.dtype).reshape(layer.out.shape)


def expand(layer: Layer) -> Array:
    """Broadcast to the output's shape."""
    return np.broadcast_to(layer.x(0), layer.out.shape)


def tile(layer: Layer) -> Array:
    """As often along each dimension as the output's shape says."""
    x = layer.x(0)
    repeats = [total // size if size else 0 for size, total in zip(x.shape, layer.out.shape, strict=True)]
    return np.tile(x, repeats)


def slice_(layer: Layer) -> Array:
    """Bounds as attributes, resolved; or as inputs, as ONNX has them."""
    x, attrs = layer.x(0), layer.node.attrs
    if "starts" in attrs:
        places = (
            start + step * np.arange(size)
            for start, step, size in zip(attrs["starts"], attrs["steps"], layer.out.shape, strict=True)
        )
        return x[np.ix_(*places)] if x.ndim else x
    parts = [slice(None)] * x.ndim
    for start, end, axis, step in zip(*(layer.x(index).tolist() for index in range(1, 5)), strict=True):
        parts[axis] = slice(start, end, step)
    return x[tuple(parts)]


def split(layer: Layer) -> tuple[Array, ...]:
    """Parts along ``axis``, as large as the outputs are."""
    axis = int(layer.node.attrs["axis"])
    sizes = [layer.graph.tensors[name].shape[axis] for name in layer.node.outputs]
    return tuple(np.split(layer.x(0), np.cumsum(sizes)[:-1], axis))


def _source(place: int, size: int, mode: str) -> int:
    """Where a place of a padded axis comes from; -1: from nowhere."""
    if 0 <= place < size:
        return place
    if mode == "constant" or size == 0:
        return -1
    if mode == "edge":
        return 0 if place < 0 else size - 1
    if mode == "wrap":
        return place % size
    turn = place % (2 * size - 2) if size > 1 else 0
    return turn if turn < size else 2 * size - 2 - turn


def pad(layer: Layer) -> Array:
    """In all modes; the amounts are an input."""
    x, value = layer.x(0), layer.x(2).reshape(())
    amounts, axes = layer.x(1).tolist(), [int(axis) % x.ndim for axis in layer.x(3)]
    before, after = [0] * x.ndim, [0] * x.ndim
    for index, axis in enumerate(axes):
        before[axis], after[axis] = amounts[index], amounts[index + len(axes)]
    shape = [size + first + last for size, first, last in zip(x.shape, before, after, strict=True)]
    if tuple(shape) != layer.out.shape:
        raise DocumentError(f"{layer.node} makes {shape}, {list(layer.out.shape)} was planned")
    y = np.full(layer.out.shape, value, x.dtype)
    sources = [
        [_source(place - first, size, layer.node.attrs["mode"]) for place in range(total)]
        for size, first, total in zip(x.shape, before, layer.out.shape, strict=True)
    ]
    inside = np.ix_(*([at for at, source in enumerate(places) if source >= 0] for places in sources))
    if math.prod(y[inside].shape):
        y[inside] = x[np.ix_(*([source for source in places if source >= 0] for places in sources))]
    return y


def range_(layer: Layer) -> Array:
    """start + i · delta."""
    start, delta = layer.x(0).reshape(()), layer.x(1).reshape(())
    return np.asarray(start + np.arange(layer.out.shape[0]).astype(start.dtype) * delta, start.dtype)


def trilu(layer: Layer) -> Array:
    """What lies above (below) a diagonal, the diagonal included."""
    x, k = layer.x(0), int(layer.x(1).reshape(()))
    above = np.arange(x.shape[-1]) - np.arange(x.shape[-2])[:, None] - k
    kept = above >= 0 if layer.node.attrs["upper"] else above <= 0
    return np.where(kept, x, np.zeros((), x.dtype))


def reverse_sequence(layer: Layer) -> Array:
    """The first entries of each sequence turned round."""
    x, lengths = layer.x(0), layer.x(1).tolist()
    batch, time = int(layer.node.attrs["batch_axis"]), int(layer.node.attrs["time_axis"])
    y = np.moveaxis(x, (batch, time), (0, 1)).copy()
    for sequence, length in zip(y, lengths, strict=True):
        if not 0 <= length <= x.shape[time]:
            raise IndexError(f"{layer.node}: a sequence of {length} steps, there are {x.shape[time]}")
        sequence[:length] = sequence[:length][::-1].copy()
    return np.moveaxis(y, (0, 1), (batch, time))


def where(layer: Layer) -> Array:
    """Elements of the second input where the condition holds, else of the third."""
    return np.where(layer.x(0), layer.x(1), layer.x(2))


OPERATORS: dict[str, Operator] = {
    "BitCast": bit_cast,
    "Concat": concat,
    "Expand": expand,
    "Flatten": reshape,
    "Identity": reshape,
    "Pad": pad,
    "Range": range_,
    "Reshape": reshape,
    "ReverseSequence": reverse_sequence,
    "Slice": slice_,
    "Split": split,
    "Squeeze": reshape,
    "Tile": tile,
    "Transpose": transpose,
    "Trilu": trilu,
    "Unsqueeze": reshape,
    "Where": where,
}

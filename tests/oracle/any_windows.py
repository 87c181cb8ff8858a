"""Windows of any rank and type: convolutions with computed weights, transposed ones, pools."""

import math
from collections.abc import Iterator
from itertools import product
from typing import Any, Literal

import numpy as np

from . import functions
from .arithmetic import F32, Array
from .layer import Layer, Operator

F64 = np.float64


class Windows:
    """The geometry of a node.

    Args:
        layer: Its node has the attributes of a window.
        size: Of what the windows stand on.
        count: How many windows along each dimension.
    """

    def __init__(self, layer: Layer, size: tuple[int, ...], count: tuple[int, ...]) -> None:
        ints = layer.node.ints
        self.kernel, self.strides, self.dilations = ints("kernel_shape"), ints("strides"), ints("dilations")
        pads = ints("pads")
        self.rank = len(size)
        self.begin, self.end = pads[: self.rank], pads[self.rank :]
        self.size, self.count = size, count

    def taps(self) -> Iterator[tuple[tuple[int, ...], tuple[Array, ...], Array, Array]]:
        """In C order: the tap, where each window reads, and whether that is inside, or in the pads."""
        for tap in product(*map(range, self.kernel)):
            reads, inside, counted = [], np.ones(self.count, bool), np.ones(self.count, bool)
            for d, place in enumerate(np.indices(self.count)):
                at = place * self.strides[d] - self.begin[d] + tap[d] * self.dilations[d]
                inside &= (at >= 0) & (at < self.size[d])
                counted &= at < self.size[d] + self.end[d]
                reads.append(np.clip(at, 0, max(self.size[d] - 1, 0)))
            yield tap, tuple(reads), inside, counted


def _read(x: Array, places: tuple[Array, ...]) -> Array:
    """Elements of the last dimensions."""
    index: tuple[Any, ...] = (..., *places)
    return np.asarray(x[index])


def conv(layer: Layer) -> Array:
    """Bias first, then taps, then channels."""
    x, w, bias = layer.x(0), layer.x(1), layer.x(2)
    group, dtype = int(layer.node.attrs["group"]), layer.out.dtype
    windows = Windows(layer, x.shape[2:], layer.out.shape[2:])
    depth, wide = w.shape[1], w.shape[0] // group
    y = np.zeros(layer.out.shape, dtype)
    y += bias.reshape(-1, *[1] * windows.rank)
    for tap, reads, inside, _ in windows.taps():
        for oc in range(w.shape[0]):
            for ic in range(depth):
                part = _read(x[:, oc // wide * depth + ic], reads).astype(dtype) * w[oc, ic][tap].astype(
                    dtype
                )
                y[:, oc] = np.where(inside, y[:, oc] + part, y[:, oc])
    return y


def conv_transpose(layer: Layer) -> Array:
    """Each output gathers what reaches it: bias first, then taps, then channels."""
    x, w, bias = layer.x(0), layer.x(1), layer.x(2)
    group, shape = int(layer.node.attrs["group"]), layer.out.shape
    windows = Windows(layer, x.shape[2:], shape[2:])
    depth, wide = x.shape[1] // group, w.shape[1]
    y = np.zeros(shape, x.dtype) + bias.reshape(-1, *[1] * windows.rank)
    for tap in product(*map(range, windows.kernel)):
        reads, inside = [], np.ones(shape[2:], bool)
        for d, place in enumerate(np.indices(shape[2:])):
            at = place + windows.begin[d] - tap[d] * windows.dilations[d]
            inside &= (at >= 0) & (at % windows.strides[d] == 0) & (at // windows.strides[d] < x.shape[d + 2])
            reads.append(np.clip(at // windows.strides[d], 0, x.shape[d + 2] - 1))
        for oc in range(shape[1]):
            for ic in range(depth):
                channel = oc // wide * depth + ic
                part = _read(x[:, channel], tuple(reads)) * w[channel, oc % wide][tap]
                y[:, oc] = np.where(inside, y[:, oc] + part, y[:, oc])
    return y


def col2im(layer: Layer) -> Array:
    """Columns added up where their windows stood."""
    x, shape = layer.x(0), layer.out.shape
    ints = layer.node.ints
    pads, rank = ints("pads"), len(shape) - 2
    count = tuple(
        (shape[d + 2] + pads[d] + pads[d + rank] - (ints("kernel_shape")[d] - 1) * ints("dilations")[d] - 1)
        // ints("strides")[d]
        + 1
        for d in range(rank)
    )
    windows = Windows(layer, shape[2:], count)
    y = np.zeros(shape, x.dtype)
    columns = x.reshape(*shape[:2], -1, *count)
    for number, (_, reads, inside, _) in enumerate(windows.taps()):
        # No two windows read one place with the same tap.
        at: tuple[Any, ...] = (..., *(part[inside] for part in reads))
        y[at] = y[at] + columns[:, :, number][:, :, inside]
    return y


def max_pool(layer: Layer) -> tuple[Array, ...]:
    """The first of the largest elements inside, and its place among all elements of x."""
    x, shape = layer.x(0), layer.out.shape
    windows = Windows(layer, x.shape[2:], shape[2:])
    least = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min if x.dtype.kind != "b" else 0
    y, found = np.full(shape, least, x.dtype), np.zeros(shape, bool)
    place = np.zeros(shape, np.int64)
    order: Literal["C", "F"] = "F" if layer.node.attrs["storage_order"] else "C"
    numbers = np.reshape(np.arange(math.prod(x.shape[2:])), x.shape[2:], order)
    for _, reads, inside, _ in windows.taps():
        v = _read(x, reads)
        better = inside & (~found | (y < v))
        y, place = np.where(better, v, y), np.where(better, numbers[reads], place)
        found |= inside
    maps = np.arange(shape[0] * shape[1]).reshape(*shape[:2], *[1] * windows.rank) * numbers.size
    return (y, place + maps)[: len(layer.node.outputs)]


def average_pool(layer: Layer) -> Array:
    """The mean of what the window holds."""
    x = layer.x(0)
    acc, count = np.zeros(layer.out.shape, x.dtype), np.zeros(layer.out.shape[2:], np.int64)
    for _, reads, inside, counted in Windows(layer, x.shape[2:], layer.out.shape[2:]).taps():
        acc = np.where(inside, acc + _read(x, reads), acc)
        count += counted if layer.node.attrs["count_include_pad"] else inside
    return np.asarray(acc / count.astype(x.dtype))


def lp_pool(layer: Layer) -> Array:
    """The norm of what the window holds, in float64."""
    x, order = layer.x(0), F64(layer.node.attrs["p"])
    acc = np.zeros(layer.out.shape, F64)
    for _, reads, inside, _ in Windows(layer, x.shape[2:], layer.out.shape[2:]).taps():
        v = np.abs(_read(x, reads)).astype(F64)
        acc = np.where(inside, acc + functions.power(v, np.full_like(v, order)), acc)
    return functions.power(acc, np.full_like(acc, F64(1) / order)).astype(x.dtype)


def lrn(layer: Layer) -> Array:
    """Divided by a power of the squares in neighbouring channels."""
    x, attrs = layer.x(0), layer.node.attrs
    size, dtype = int(attrs["size"]), x.dtype.type
    before = (size - 1) // 2
    acc = np.zeros_like(x)
    for c in range(x.shape[1]):
        for k in range(max(c - before, 0), min(c + size - before, x.shape[1])):
            acc[:, c] = acc[:, c] + x[:, k] * x[:, k]
    scale = F32(attrs["alpha"]) / F32(size)
    base = (dtype(F32(attrs["bias"])) + dtype(scale) * acc).astype(F64)
    power = functions.power(base, np.full_like(base, F64(F32(attrs["beta"]))))
    return np.asarray(x / power.astype(x.dtype))


def max_unpool(layer: Layer) -> Array:
    """Each element where its maximum stood; places count in another shape."""
    x, places = layer.x(0), layer.x(1)
    y = np.zeros(layer.out.shape, x.dtype)
    shape = layer.node.ints("pooled_shape")
    for value, place in zip(x.reshape(-1), places.reshape(-1).tolist(), strict=True):
        at = 0
        for size, part in zip(y.shape, np.unravel_index(place, shape), strict=True):
            at = at * size + int(part)
        y.reshape(-1)[at] = value
    return y


OPERATORS: dict[str, Operator] = {
    "Col2Im": col2im,
    "ConvTranspose": conv_transpose,
    "GeneralAveragePool": average_pool,
    "GeneralConv": conv,
    "GeneralMaxPool": max_pool,
    "LRN": lrn,
    "LpPool": lp_pool,
    "MaxUnpool": max_unpool,
}

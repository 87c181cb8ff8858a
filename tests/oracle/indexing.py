"""Operators that read or write where indices say, and those whose output is as large as data say."""

from collections.abc import Callable

import numpy as np

from .arithmetic import Array
from .layer import Layer, Operator
from .scalar import to_integer

_MERGES: dict[str, Callable[[Array, Array], Array]] = {
    "none": lambda _, v: v,
    "add": lambda a, v: a + v,
    "mul": lambda a, v: a * v,
    "max": lambda a, v: np.where(a < v, v, a),
    "min": lambda a, v: np.where(v < a, v, a),
}


def _resolved(index: Array, size: int) -> Array:
    """Indices from the front.

    Raises:
        IndexError: One is out of range.
    """
    at = index.astype(np.int64)
    at = np.where(at < 0, at + size, at)
    if ((at < 0) | (at >= size)).any():
        raise IndexError(f"an index is outside of {size} elements")
    return at


def gather(layer: Layer) -> Array:
    """Slices along one axis."""
    x, axis = layer.x(0), int(layer.node.attrs["axis"])
    return np.take(x, _resolved(layer.x(1), x.shape[axis]), axis)


def gather_elements(layer: Layer) -> Array:
    """Single elements along one axis."""
    x, index, axis = layer.x(0), layer.x(1), int(layer.node.attrs["axis"])
    places: list[Array] = list(np.indices(index.shape))
    places[axis] = _resolved(index, x.shape[axis])
    return np.asarray(x[tuple(places)])


def _tuples(index: Array, shape: tuple[int, ...]) -> tuple[Array, ...]:
    return tuple(_resolved(index[..., d], shape[d]) for d in range(index.shape[-1]))


def gather_nd(layer: Layer) -> Array:
    """Slices named by tuples, within each batch."""
    x, index, batch = layer.x(0), layer.x(1), int(layer.node.attrs["batch_dims"])
    outer = x.shape[:batch]
    y = np.zeros(layer.out.shape, x.dtype)
    for at in np.ndindex(*outer):
        y[at] = x[at][_tuples(index[at], x.shape[batch:])]
    return y


def scatter_elements(layer: Layer) -> Array:
    """Updates of single elements, one after the other."""
    x, index, updates = layer.x(0), layer.x(1), layer.x(2)
    axis, merge = int(layer.node.attrs["axis"]), _MERGES[layer.node.attrs["reduction"]]
    rows, y = _resolved(index, x.shape[axis]), x.copy()
    for at in np.ndindex(*index.shape):
        place = (*at[:axis], int(rows[at]), *at[axis + 1 :])
        y[place] = merge(y[place], updates[at])
    return y


def scatter_nd(layer: Layer) -> Array:
    """Updates of slices, one after the other."""
    x, index, updates = layer.x(0), layer.x(1), layer.x(2)
    merge, y = _MERGES[layer.node.attrs["reduction"]], layer.x(0).copy()
    places = _tuples(index, x.shape)
    for at in np.ndindex(*index.shape[:-1]):
        place = tuple(int(part[at]) for part in places)
        y[place] = merge(y[place], updates[at])
    return y


def one_hot(layer: Layer) -> Array:
    """values[1] where the index is, values[0] elsewhere."""
    index, values, axis = layer.x(0), layer.x(1), int(layer.node.attrs["axis"])
    at = to_integer(index, np.dtype(np.int64)) if index.dtype.kind == "f" else index.astype(np.int64)
    depth = layer.out.shape[axis]
    at = np.expand_dims(np.where(at < 0, at + depth, at), axis)
    places = np.arange(depth).reshape([-1 if d == axis else 1 for d in range(at.ndim)])
    return np.asarray(values[(at == places).astype(np.int64)])


def top_k(layer: Layer) -> tuple[Array, Array]:
    """A list that is kept sorted, of which the first k stay."""
    x, axis, largest = layer.x(0), int(layer.node.attrs["axis"]), bool(layer.node.attrs["largest"])
    count = layer.out.shape[axis]
    values = np.moveaxis(np.zeros(layer.out.shape, x.dtype), axis, -1).copy()
    places = np.zeros(values.shape, np.int64)
    rows = np.moveaxis(x, axis, -1)
    for at in np.ndindex(*rows.shape[:-1]):
        row, held = rows[at], list[int]()
        for j, v in enumerate(row):
            place = len(held)
            while place and (v > row[held[place - 1]] if largest else v < row[held[place - 1]]):
                place -= 1
            held.insert(place, j)
            del held[count:]
        values[at], places[at] = row[held], held
    return np.moveaxis(values, -1, axis), np.moveaxis(places, -1, axis)


def _sized(layer: Layer, output: int, value: Array) -> Array:
    """The elements of an output whose size depends on data, dense at the begin of its memory."""
    tensor = layer.graph.tensors[layer.node.outputs[output]]
    room = np.zeros(int(np.prod(tensor.shape, dtype=np.int64)), tensor.dtype)
    room[: value.size] = value.reshape(-1)
    return room.reshape(tensor.shape)


def _dims(value: Array) -> Array:
    return np.array(value.shape, np.int32)


def compress(layer: Layer) -> tuple[Array, Array]:
    """What the condition holds for."""
    x, axis = layer.x(0), layer.node.attrs["axis"]
    y = np.compress(layer.x(1)[: x.size if axis is None else x.shape[axis]], x, axis)
    return _sized(layer, 0, y), _dims(y)


def non_zero(layer: Layer) -> tuple[Array, Array]:
    """Coordinates of what is not zero."""
    x = layer.x(0)
    found = np.stack(np.nonzero(x)) if x.ndim else np.zeros((0, int(x != 0)), np.int64)
    return _sized(layer, 0, found.astype(np.int64)), _dims(found)


def unique(layer: Layer) -> tuple[Array, ...]:
    """Slices, where each stood first, which each one is, and how often."""
    x, axis = layer.x(0), layer.node.attrs["axis"]
    whole = x.reshape(-1) if axis is None else x
    rows = np.moveaxis(whole, axis or 0, 0).reshape(whole.shape[axis or 0], -1)

    def compare(a: int, b: int) -> int:
        different = np.flatnonzero(rows[a] != rows[b])
        if not different.size or a == b:
            return 0
        left, right = rows[a][different[0]], rows[b][different[0]]
        return -1 if left < right or (np.isnan(right) and not np.isnan(left)) else 1

    first: list[int] = []
    counts: list[int] = []
    for j in range(len(rows)):
        order = [compare(j, other) for other in first]
        if 0 in order:
            counts[order.index(0)] += 1
            continue
        place = order.index(-1) if layer.node.attrs["sorted"] and -1 in order else len(first)
        first.insert(place, j)
        counts.insert(place, 1)
    inverse = [next(n for n, other in enumerate(first) if compare(j, other) == 0) for j in range(len(rows))]
    y = np.take(whole, first, axis or 0)
    parts = [np.array(part, np.int64) for part in (first, inverse, counts)]
    values = [_sized(layer, index, part) for index, part in enumerate((y, *parts))]
    return *values, _dims(y), _dims(parts[0])


OPERATORS: dict[str, Operator] = {
    "Compress": compress,
    "Gather": gather,
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "NonZero": non_zero,
    "OneHot": one_hot,
    "ScatterElements": scatter_elements,
    "ScatterND": scatter_nd,
    "TopK": top_k,
    "Unique": unique,
}

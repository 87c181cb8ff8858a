"""General operators that fold dimensions away, or run along one."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import functions
from .arithmetic import Array, maximum, minimum
from .errors import DocumentError
from .layer import Layer, Operator
from .scalar import convert

F64 = np.float64
Step = Callable[[Array, Array], Array]


def _rows(layer: Layer) -> Array:
    """x as [results, elements behind each], both in the order of x."""
    x, attrs = layer.x(0), layer.node.attrs
    if layer.has(1):
        given = layer.x(1).reshape(-1).tolist()
        axes = {axis % x.ndim for axis in given}
        if not given and not attrs["noop_with_empty_axes"]:
            axes = set(range(x.ndim))
    else:
        axes = set(attrs["axes"])
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    count = int(np.prod([x.shape[axis] for axis in sorted(axes)], dtype=np.int64))
    results = int(np.prod([x.shape[axis] for axis in kept], dtype=np.int64))
    if results != math.prod(layer.out.shape):
        raise DocumentError(f"{layer.node}: {results} results for the shape {list(layer.out.shape)}")
    return x.transpose([*kept, *sorted(axes)]).reshape(results, count)


def fold(rows: Array, first: Any, step: Step) -> Array:
    """One running value for each row."""
    acc = np.full(rows.shape[0], first)
    for index in range(rows.shape[1]):
        acc = step(acc, rows[:, index])
    return acc


def total(rows: Array) -> Array:
    """Sums of rows: floats as sum4, integers wrap at 64 bits."""
    if rows.dtype.kind != "f":
        return fold(rows, np.uint64(0), lambda acc, v: acc + v)
    lanes = [fold(rows[:, lane::4], rows.dtype.type(0), np.add) for lane in range(4)]
    return np.asarray((lanes[0] + lanes[2]) + (lanes[1] + lanes[3]))


def _wide(rows: Array) -> Array:
    """Integers as uint64, modulo 2**64."""
    return rows if rows.dtype.kind == "f" else rows.astype(np.int64).astype(np.uint64)


def _signed(acc: Array, dtype: np.dtype[Any]) -> Array:
    return acc.astype(np.int64) if dtype.kind == "i" else acc


def _l1(rows: Array) -> Array:
    size = np.abs(rows) if rows.dtype.kind == "f" else np.where(rows < 0, -_wide(rows), _wide(rows))
    return total(size)


def _sum_square(rows: Array) -> Array:
    return total(_wide(rows) * _wide(rows))


def _l2(rows: Array) -> Array:
    acc = _sum_square(rows)
    return np.asarray(np.sqrt(acc if acc.dtype.kind == "f" else acc.astype(F64)))


def _sum(rows: Array) -> Array:
    return total(_wide(rows))


def _log_sum(rows: Array) -> Array:
    return functions.log(_signed(_sum(rows), rows.dtype).astype(F64))


def _log_sum_exp(rows: Array) -> Array:
    wide = rows.astype(F64)
    top = fold(wide, F64(-np.inf), maximum)
    top = np.where(np.abs(top) <= functions.LARGEST, top, F64(0))
    return functions.log(total(functions.exp(wide - top[:, None]))) + top


def _mean(rows: Array) -> Array:
    acc, count = _signed(_sum(rows), rows.dtype), rows.shape[1]
    if acc.dtype.kind == "f":
        return np.asarray(acc / acc.dtype.type(count))
    if count == 0:
        return np.zeros_like(acc)
    quotient = (np.where(acc < 0, -acc, acc).astype(np.uint64) // np.uint64(count)).astype(acc.dtype)
    return np.where(acc < 0, -quotient, quotient)


def _limit(dtype: np.dtype[Any], *, least: bool) -> Array:
    if dtype.kind == "b":
        return np.array(not least)
    if dtype.kind == "f":
        return np.array(-np.inf if least else np.inf, dtype)
    limits = np.iinfo(dtype)
    return np.array(limits.min if least else limits.max, dtype)


def _max(rows: Array) -> Array:
    return fold(rows, _limit(rows.dtype, least=True), maximum)


def _min(rows: Array) -> Array:
    return fold(rows, _limit(rows.dtype, least=False), minimum)


def _prod(rows: Array) -> Array:
    return fold(_wide(rows), _wide(rows).dtype.type(1), np.multiply)


_REDUCTIONS: dict[str, Callable[[Array], Array]] = {
    "ReduceL1": _l1,
    "ReduceL2": _l2,
    "ReduceLogSum": _log_sum,
    "ReduceLogSumExp": _log_sum_exp,
    "ReduceMax": _max,
    "ReduceMean": _mean,
    "ReduceMin": _min,
    "ReduceProd": _prod,
    "ReduceSum": _sum,
    "ReduceSumSquare": _sum_square,
}


def reduce(layer: Layer) -> Array:
    """A reduction, as the output's type: integers wrap, floats become integers as Cast makes them."""
    result = _REDUCTIONS[layer.node.op](_rows(layer))
    return convert(result, layer.out.dtype).reshape(layer.out.shape)


def arg(layer: Layer) -> Array:
    """The index of the best element: the first of equals, or the last."""
    axis, last = int(layer.node.attrs["axis"]), bool(layer.node.attrs["select_last_index"])
    x = np.moveaxis(layer.x(0), axis, 0)
    if layer.node.op == "ArgMax":
        better: np.ufunc = np.greater_equal if last else np.greater
    else:
        better = np.less_equal if last else np.less
    best, where = np.array(x[0]), np.zeros(x.shape[1:], np.int64)
    for index in range(1, x.shape[0]):
        takes = better(x[index], best)
        best, where = np.where(takes, x[index], best), np.where(takes, index, where)
    return where.reshape(layer.out.shape)


def cumulate(layer: Layer) -> Array:
    """Running sums or products along an axis."""
    x, is_sum, attrs = layer.x(0), layer.node.op == "CumSum", layer.node.attrs
    rows = np.moveaxis(x, int(layer.x(1).reshape(())), 0)
    y = np.empty_like(rows)
    acc = np.full(rows.shape[1:], x.dtype.type(0 if is_sum else 1))
    order = range(rows.shape[0])
    for index in reversed(order) if attrs["reverse"] else order:
        following = acc + rows[index] if is_sum else acc * rows[index]
        y[index] = acc if attrs["exclusive"] else following
        acc = following
    return np.moveaxis(y, 0, int(layer.x(1).reshape(())))


OPERATORS: dict[str, Operator] = {
    **dict.fromkeys(_REDUCTIONS, reduce),
    "ArgMax": arg,
    "ArgMin": arg,
    "CumProd": cumulate,
    "CumSum": cumulate,
}

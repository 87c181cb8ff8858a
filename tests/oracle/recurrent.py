"""LSTM, GRU and RNN, one direction each, step by step."""

from collections.abc import Callable
from typing import Any

import numpy as np

from . import functions
from .arithmetic import F32, Array, maximum, minimum
from .exponential import exp as exp_f32
from .layer import Layer, Operator
from .scalar import FUNCTIONS, by_type

F64 = np.float64
Activation = Callable[[Array], Array]
_exp = by_type(functions.exp, single=exp_f32)
_expm1, _log1p = by_type(functions.expm1), by_type(functions.log1p)


def _activation(name: str, alpha: float, beta: float, dtype: type[np.floating[Any]]) -> Activation:
    a, b, one, zero = dtype(F32(alpha)), dtype(F32(beta)), dtype(1), dtype(0)
    tanh = FUNCTIONS["Tanh"]
    return {
        "affine": lambda v: a * v + b,
        "elu": lambda v: np.where(v < 0, a * _expm1(v), v),
        "hardsigmoid": lambda v: minimum(maximum(a * v + b, zero), one),
        "leakyrelu": lambda v: np.where(v < 0, a * v, v),
        "relu": lambda v: np.where(v < 0, zero, v),
        "scaledtanh": lambda v: a * tanh(b * v),
        "sigmoid": lambda v: one / (one + _exp(-v)),
        "softplus": lambda v: _log1p(_exp(-np.abs(v))) + np.where(v > 0, v, zero),
        "softsign": lambda v: v / (one + np.abs(v)),
        "tanh": tanh,
        "thresholdedrelu": lambda v: np.where(v < a, zero, v),
    }[name]


def _clipped(f: Activation, clip: Array) -> Activation:
    return lambda v: f(minimum(maximum(v, -clip), clip))


class _Cell:
    """What the three have in common.

    Attributes:
        hidden: Its size.
        apply: The activations, each behind the clipping of its argument.
        bare: The activations.
    """

    def __init__(self, layer: Layer) -> None:
        attrs, dtype = layer.node.attrs, layer.x(0).dtype.type
        self.r = layer.x(1)
        self.hidden = self.r.shape[0]
        self.one = dtype(1)
        clip = dtype(F32(attrs["clip"]))
        self.bare = [_activation(name, alpha, beta, dtype) for name, alpha, beta in attrs["activations"]]
        self.apply = [_clipped(f, clip) for f in self.bare]

    def sums(self, start: Array, h: Array, gates: slice) -> Array:
        """`start` and the product of h with some columns of r, one row after the other."""
        acc = start.copy()
        for k in range(self.hidden):
            acc = acc + h[k] * self.r[k, gates]
        return acc

    def split(self, values: Array) -> list[Array]:
        """The parts of the gates."""
        return list(values.reshape(-1, self.hidden))


def _walk(
    layer: Layer, lengths: Array, step: Callable[..., tuple[Array, ...]], carried: int
) -> tuple[Array, ...]:
    """Run one step after the other; y and what is carried."""
    gates = layer.x(0)
    last = [np.array(layer.x(2 + place)) for place in range(carried)]
    y = np.zeros(layer.out.shape, gates.dtype)
    for b in range(gates.shape[1]):
        length = min(max(int(lengths[b]), 0), gates.shape[0])
        places = range(length)
        for t in reversed(places) if layer.node.attrs["reverse"] else places:
            for value, new in zip(last, step(gates[t, b], *(value[b] for value in last)), strict=True):
                value[b] = new
            y[t, b] = last[0][b]
    return y, *last


def lstm(layer: Layer) -> tuple[Array, ...]:
    """Gates input, output, forget, cell."""
    cell = _Cell(layer)
    f, g, _ = cell.apply
    peepholes = cell.split(layer.x(5)) if layer.has(5) else None

    def seen(a: Array, index: int, c: Array) -> Array:
        return a if peepholes is None else a + peepholes[index] * c

    def step(gates: Array, h: Array, c: Array) -> tuple[Array, ...]:
        i, o, forget, new = cell.split(cell.sums(gates, h, slice(None)))
        i = f(seen(i, 0, c))
        forget = cell.one - i if layer.node.attrs["input_forget"] else f(seen(forget, 2, c))
        c = forget * c + i * g(new)
        o = f(seen(o, 1, c))
        return o * cell.bare[2](c), c

    return _walk(layer, layer.x(4), step, 2)


def gru(layer: Layer) -> tuple[Array, ...]:
    """Gates update, reset, hidden."""
    cell = _Cell(layer)
    f, g = cell.apply
    first, last = slice(0, 2 * cell.hidden), slice(2 * cell.hidden, None)

    def step(gates: Array, h: Array) -> tuple[Array, ...]:
        z, r = (f(part) for part in cell.split(cell.sums(gates[first], h, first)))
        if layer.node.attrs["linear_before_reset"]:
            a = gates[last] + r * cell.sums(layer.x(4), h, last)
        else:
            a = cell.sums(gates[last], r * h, last)
        return ((cell.one - z) * g(a) + z * h,)

    return _walk(layer, layer.x(3), step, 1)


def rnn(layer: Layer) -> tuple[Array, ...]:
    """One gate."""
    cell = _Cell(layer)
    (f,) = cell.apply
    return _walk(layer, layer.x(3), lambda gates, h: (f(cell.sums(gates, h, slice(None))),), 1)


OPERATORS: dict[str, Operator] = {"GRU": gru, "LSTM": lstm, "RNN": rnn}

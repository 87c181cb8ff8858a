"""Operators on one tensor: the int8 Table, and the float32 functions."""

import numpy as np

from .arithmetic import F32, Array, f32, maximum, minimum
from .exponential import exp
from .layer import Layer, Operator

_ONE, _ZERO, _HALF = F32(1), F32(0), F32(0.5)
_SIXTH = F32(float.fromhex("0x1.555556p-3"))


def table(layer: Layer) -> Array:
    """x int8, T int8 [256] → T[x + 128]."""
    result: Array = layer.x(1)[layer.x(0).astype(np.int64) + 128]
    return result


def bounds(layer: Layer) -> Array:
    """Relu and Clip: what the attribute ``clamp`` says."""
    return layer.clip(layer.x(0))


def hard_sigmoid(layer: Layer) -> Array:
    """A clipped line."""
    t = f32(layer.node.attrs["alpha"]) * layer.x(0)
    t = t + f32(layer.node.attrs["beta"])
    return minimum(maximum(t, _ZERO), _ONE)


def hard_swish(layer: Layer) -> Array:
    """x times a hard sigmoid of slope 1/6."""
    x = layer.x(0)
    t = x * _SIXTH
    t = t + _HALF
    t = minimum(maximum(t, _ZERO), _ONE)
    return x * t


def sigmoid(layer: Layer) -> Array:
    """1 / (1 + exp(-x))."""
    return _ONE / (_ONE + exp(-layer.x(0)))


OPERATORS: dict[str, Operator] = {
    "Clip": bounds,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": hard_swish,
    "Relu": bounds,
    "Sigmoid": sigmoid,
    "Table": table,
}

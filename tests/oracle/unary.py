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
    """Clip and Relu6, whose bounds are the attribute ``clamp``, as those of a fused activation."""
    layer.node.attr("clamp")
    return layer.clip(layer.x(0))


def relu(layer: Layer) -> Array:
    """``max(x, 0)``."""
    return layer.clip(maximum(layer.x(0), _ZERO))


def hard_sigmoid(layer: Layer) -> Array:
    """A clipped line; ONNX's defaults are alpha 0.2 and beta 0.5."""
    t = f32(layer.node.attrs.get("alpha", 0.2)) * layer.x(0)
    t = t + f32(layer.node.attrs.get("beta", 0.5))
    return layer.clip(minimum(maximum(t, _ZERO), _ONE))


def hard_swish(layer: Layer) -> Array:
    """x times a hard sigmoid of slope 1/6."""
    x = layer.x(0)
    t = x * _SIXTH
    t = t + _HALF
    t = minimum(maximum(t, _ZERO), _ONE)
    return layer.clip(x * t)


def sigmoid(layer: Layer) -> Array:
    """1 / (1 + exp(-x))."""
    return layer.clip(_ONE / (_ONE + exp(-layer.x(0))))


OPERATORS: dict[str, Operator] = {
    "Clip": bounds,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": hard_swish,
    "Relu": relu,
    "Relu6": bounds,
    "Sigmoid": sigmoid,
    "Table": table,
}

"""Add, Sub, Mul and Div of two tensors, with broadcasting."""

import numpy as np

from .arithmetic import F32, Array, f32
from .layer import Layer, Operator


def _ratio(layer: Layer, index: int) -> F32:
    """f32(s / sy) of input ``index``."""
    return layer.tensor(index).s / layer.out.s


def add(layer: Layer) -> Array:
    """a + b."""
    if not layer.is_int8():
        return layer.clip(layer.x(0) + layer.x(1))
    a, b = f32(layer.centred(0)) * _ratio(layer, 0), f32(layer.centred(1)) * _ratio(layer, 1)
    return layer.to_int8(a + b)


def sub(layer: Layer) -> Array:
    """a - b."""
    if not layer.is_int8():
        return layer.clip(layer.x(0) - layer.x(1))
    a, b = f32(layer.centred(0)) * _ratio(layer, 0), f32(layer.centred(1)) * _ratio(layer, 1)
    return layer.to_int8(a - b)


def mul(layer: Layer) -> Array:
    """a * b."""
    if not layer.is_int8():
        return layer.clip(layer.x(0) * layer.x(1))
    m = (layer.tensor(0).s * layer.tensor(1).s) / layer.out.s
    return layer.to_int8(f32(layer.centred(0) * layer.centred(1)) * m)


def div(layer: Layer) -> Array:
    """a / b; of integers towards zero, by zero it is zero."""
    a, b = layer.x(0), layer.x(1)
    if a.dtype.kind == "f":
        return layer.clip(a / b)
    by = np.where(b == 0, b.dtype.type(1), b)
    # NumPy rounds towards minus infinity.
    quotient = a // by
    inexact = (quotient * by != a) & ((a < 0) != (by < 0))
    return np.asarray(np.where(b == 0, b.dtype.type(0), quotient + inexact.astype(a.dtype)))


OPERATORS: dict[str, Operator] = {"Add": add, "Sub": sub, "Mul": mul, "Div": div}

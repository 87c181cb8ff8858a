"""Add, Sub, Mul and Div of two tensors, with broadcasting."""

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
    """a / b, float32 only."""
    return layer.clip(layer.x(0) / layer.x(1))


OPERATORS: dict[str, Operator] = {"Add": add, "Sub": sub, "Mul": mul, "Div": div}

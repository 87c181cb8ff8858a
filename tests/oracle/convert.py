"""QuantizeLinear and DequantizeLinear, where float32 layers meet int8 ones."""

from .arithmetic import Array, f32
from .layer import Layer, Operator


def quantize(layer: Layer) -> Array:
    """float32 → int8, by the output's scale and zero point."""
    return layer.to_int8(layer.x(0) / layer.out.s)


def dequantize(layer: Layer) -> Array:
    """int8 → float32, by the input's scale and zero point."""
    return f32(layer.centred(0)) * layer.tensor(0).s


OPERATORS: dict[str, Operator] = {"DequantizeLinear": dequantize, "QuantizeLinear": quantize}

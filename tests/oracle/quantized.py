"""Quantization whose scales are operands, and products of integers."""

import numpy as np

from .arithmetic import F32, Array, f32
from .layer import Layer, Operator


def _spread(layer: Layer, index: int) -> Array:
    """Scales or zero points, one for each element of x."""
    x, value = layer.x(0), layer.x(index)
    axis, block = layer.node.attrs["axis"], layer.node.attrs["block"]
    if block:
        return np.repeat(value, block, axis)
    if value.size > 1:
        value = value.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    else:
        value = value.reshape(())
    return np.broadcast_to(value, x.shape)


def quantize_by(layer: Layer) -> Array:
    """Divided by the scale, rounded to even, the zero point added; saturated before rounding."""
    limits = np.iinfo(layer.out.dtype)
    zero = _spread(layer, 2).astype(np.int64)
    v = f32(layer.x(0)) / _spread(layer, 1)
    v = np.where(np.isnan(v), F32(0), v)
    v = np.clip(v, f32(limits.min - zero), f32(limits.max - zero))
    return (np.rint(v).astype(np.int64) + zero).astype(layer.out.dtype)


def dequantize_by(layer: Layer) -> Array:
    """Less the zero point, times the scale."""
    v = layer.x(0).astype(np.int64) - _spread(layer, 2).astype(np.int64)
    return f32(v) * _spread(layer, 1)


def matmul_integer(layer: Layer) -> Array:
    """Products of integers less their zero points; sums wrap."""
    x, w, x_zero, w_zero = (layer.x(index).astype(np.int64) for index in range(4))
    if x_zero.ndim == 1 and x_zero.size > 1:
        x_zero = x_zero[:, None]
    return np.asarray(np.matmul(x - x_zero, w - w_zero), np.int64).astype(np.int32)


def matmul_nbits(layer: Layer) -> Array:
    """Weights of few bits in blocks; four lanes in a block, then block after block."""
    x, packed, scale, zero, bias = (layer.x(index) for index in range(5))
    bits, block = layer.node.attrs["bits"], layer.node.attrs["block"]
    columns, blocks = scale.shape
    rows = packed.reshape(columns, blocks, -1)
    parts = [rows >> (bits * part) & ((1 << bits) - 1) for part in range(8 // bits)]
    q = np.stack(parts, -1).reshape(columns, blocks, block)
    w = f32(q) - (f32(zero).reshape(columns, blocks, 1) if zero.size > 1 else F32(zero.reshape(-1)[0]))
    flat = x.reshape(-1, x.shape[-1])
    total = np.broadcast_to(bias, (len(flat), columns)).astype(F32)
    for b in range(blocks):
        v = flat[:, b * block : (b + 1) * block]
        lanes = np.zeros((4, len(flat), columns), F32)
        for k in range(v.shape[1]):
            lanes[k % 4] += v[:, k, None] * w[None, :, b, k]
        total = total + ((lanes[0] + lanes[2]) + (lanes[1] + lanes[3])) * scale[:, b]
    return total.reshape(layer.out.shape)


OPERATORS: dict[str, Operator] = {
    "DequantizeBy": dequantize_by,
    "MatMulInteger": matmul_integer,
    "MatMulNBits": matmul_nbits,
    "QuantizeBy": quantize_by,
}

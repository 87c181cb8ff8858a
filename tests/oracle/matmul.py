"""Gemm and MatMul, int8 (by a constant) and float32."""

import numpy as np

from .arithmetic import Array, as_int32_sum, f32
from .layer import Layer, Operator


def _accumulate(a: Array, b: Array, bias: Array) -> Array:
    """Bias plus the products for k = 0, 1, …: a [..., m, k], b [..., k, n], bias [n] → [..., m, n]."""
    shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
    acc = np.empty(shape, a.dtype)
    acc[:] = bias
    for k in range(a.shape[-1]):
        acc = acc + a[..., :, k, None] * b[..., k, None, :]
    return acc


def product(layer: Layer) -> Array:
    """x, w [k, n], optional bias [n] → y; in float32 MatMul's second operand may have leading dimensions."""
    x, w = layer.x(0), layer.x(1)
    bias = layer.x(2) if layer.has(2) else np.zeros(w.shape[-1], x.dtype)
    if not layer.is_int8():
        return layer.clip(_accumulate(x, w, bias))
    acc = _accumulate(layer.centred(0), w.astype(np.int64), bias.astype(np.int64))
    m = (layer.tensor(0).s * layer.tensor(1).scales(w.shape[-1])) / layer.out.s
    return layer.to_int8(f32(as_int32_sum(acc, layer.node.name)) * m)


OPERATORS: dict[str, Operator] = {"Gemm": product, "MatMul": product}

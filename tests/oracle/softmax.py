"""Softmax, int8 by a table of exponentials and float32."""

import numpy as np

from .arithmetic import F32, Array, f32, maximum, sum4
from .exponential import exp
from .layer import Layer, Operator


def _float(x: Array) -> Array:
    """Along the last axis."""
    m = np.full((*x.shape[:-1], 1), -np.inf, F32)
    for j in range(x.shape[-1]):
        m = maximum(m, x[..., j : j + 1])
    e = exp(x - m)
    return e / sum4(e)


def softmax(layer: Layer) -> Array:
    """x and, for int8, T uint32 [256] → y."""
    axis = int(layer.node.attrs["axis"])
    x = np.moveaxis(layer.x(0), axis, -1)
    if not layer.is_int8():
        return np.moveaxis(_float(x), -1, axis)
    wide = x.astype(np.int64)
    t = layer.x(1).astype(np.int64)[wide.max(-1, keepdims=True) - wide]
    r = (F32(1) / layer.out.s) / f32(t.sum(-1, keepdims=True))
    return np.moveaxis(layer.to_int8(f32(t) * r), -1, axis)


OPERATORS: dict[str, Operator] = {"Softmax": softmax}

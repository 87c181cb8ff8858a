"""MaxPool, AveragePool and the global pools, int8 and float32."""

import numpy as np

from .arithmetic import F32, Array, as_int32_sum, f32, maximum
from .errors import DocumentError
from .layer import Layer, Operator
from .windows import Windows


def _planes(x: Array) -> Array:
    """[n, c, h, w]; a 1-D tensor gets a height of 1."""
    return x[:, :, None, :] if x.ndim == 3 else x


def _counts(windows: Windows) -> Array:
    """How many elements of each window lie inside the input, int64 [oh, ow]."""
    counts = np.zeros(windows.size_out, np.int64)
    for at in windows:
        counts[at.outputs] += 1
    return counts


def _sum(x: Array, windows: Windows) -> Array:
    """Sums in the order kh, kw, starting at zero: [n, c, h, w] → [n, c, oh, ow]."""
    acc = np.zeros((*x.shape[:2], *windows.size_out), x.dtype)
    for at in windows:
        acc[:, :, at.outputs[0], at.outputs[1]] += x[:, :, at.inputs[0], at.inputs[1]]
    return acc


def _average(layer: Layer, windows: Windows, counts: Array) -> Array:
    if (counts == 0).any():
        raise DocumentError(f"{layer.node.name}: a window of the average has no elements")
    if not layer.is_int8():
        return layer.clip(_sum(_planes(layer.x(0)), windows) / f32(counts)).reshape(layer.out.shape)
    acc = _sum(_planes(layer.centred(0)), windows)
    m = layer.tensor(0).s / (layer.out.s * f32(counts))
    return layer.to_int8(f32(as_int32_sum(acc, layer.node.name)) * m).reshape(layer.out.shape)


def average_pool(layer: Layer) -> Array:
    """The mean of each window, counting what ``count_include_pad`` says."""
    windows = Windows.of(layer.node, layer.x(0).shape[2:], layer.out.shape[2:])
    counted = windows.padded() if layer.node.attrs["count_include_pad"] else windows
    return _average(layer, windows, _counts(counted))


def global_average_pool(layer: Layer) -> Array:
    """The mean over all spatial positions."""
    height, width = _planes(layer.x(0)).shape[2:]
    windows = Windows.whole((height, width))
    return _average(layer, windows, _counts(windows))


def max_pool(layer: Layer) -> Array:
    """The largest element of each window; NaNs are passed over."""
    x = _planes(layer.x(0))
    windows = Windows.of(layer.node, layer.x(0).shape[2:], layer.out.shape[2:])
    is_int8 = layer.is_int8()
    y = np.full((*x.shape[:2], *windows.size_out), -128 if is_int8 else F32(-np.inf), x.dtype)
    for at in windows:
        here = y[:, :, at.outputs[0], at.outputs[1]]
        here[:] = maximum(here, x[:, :, at.inputs[0], at.inputs[1]])
    if not is_int8:
        return layer.clip(y).reshape(layer.out.shape)
    return np.clip(y, *layer.clamp_int8()).astype(np.int8).reshape(layer.out.shape)


OPERATORS: dict[str, Operator] = {
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "MaxPool": max_pool,
}

"""Conv, int8 and float32."""

import numpy as np

from .arithmetic import Array, as_int32_sum, f32
from .layer import Layer, Operator
from .windows import Windows


def _accumulate(x: Array, w: Array, bias: Array, windows: Windows, groups: int) -> Array:
    """Bias plus all products, in the order kh, kw, ic; exact for int64, one rounding a step for float32.

    Args:
        x: [n, c, h, w].
        w: [oc, c / groups, kh, kw], of the same dtype as ``x``.
        bias: [oc].
        windows: Where the kernel meets the input.
        groups: How many groups the channels form.

    Returns:
        [n, oc, oh, ow].
    """
    n, channels_out, channels_in = x.shape[0], w.shape[0], w.shape[1]
    x = x.reshape(n, groups, channels_in, *windows.size_in)
    w = w.reshape(groups, channels_out // groups, channels_in, *windows.kernel)
    acc = np.empty((n, *w.shape[:2], *windows.size_out), x.dtype)
    acc[:] = bias.reshape(*w.shape[:2], 1, 1)
    for at in windows:
        rows, columns = at.inputs
        here = acc[:, :, :, at.outputs[0], at.outputs[1]]
        for ic in range(channels_in):
            products = x[:, :, None, ic, rows, columns] * w[:, :, ic, at.kh, at.kw, None, None]
            np.add(here, products, out=here)
    return acc.reshape(n, channels_out, *windows.size_out)


def conv(layer: Layer) -> Array:
    """x, w [oc, ic, kh, kw], optional bias → y."""
    x, w = layer.x(0), layer.x(1)
    bias = layer.x(2) if layer.has(2) else np.zeros(w.shape[0], x.dtype)
    windows = Windows.of(layer.node, x.shape[2:], layer.out.shape[2:])
    groups = int(layer.node.attrs["group"])
    if not layer.is_int8():
        return layer.clip(_accumulate(x, w, bias, windows, groups)).reshape(layer.out.shape)
    acc = _accumulate(layer.centred(0), w.astype(np.int64), bias.astype(np.int64), windows, groups)
    sx, sw, sy = layer.tensor(0).s, layer.tensor(1).scales(w.shape[0]), layer.out.s
    m = ((sx * sw) / sy).reshape(-1, 1, 1)
    return layer.to_int8(f32(as_int32_sum(acc, layer.node.name)) * m).reshape(layer.out.shape)


OPERATORS: dict[str, Operator] = {"Conv": conv}

"""Windows: the geometry that convolutions and pools share."""

from dataclasses import astuple, dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Window:
    """struct fleet_window, field for field."""

    batch: int
    in_h: int
    in_w: int
    in_c: int
    out_h: int
    out_w: int
    out_c: int
    kernel_h: int
    kernel_w: int
    stride_h: int = 1
    stride_w: int = 1
    dilation_h: int = 1
    dilation_w: int = 1
    pad_top: int = 0
    pad_left: int = 0
    pad_bottom: int = 0
    pad_right: int = 0

    @property
    def fields(self):
        return astuple(self)

    @property
    def out_shape(self):
        return self.batch, self.out_h, self.out_w, self.out_c

    @property
    def in_shape(self):
        return self.batch, self.in_h, self.in_w, self.in_c


def window(size, channels, kernel, *, stride=(1, 1), dilation=(1, 1), pads=(0, 0, 0, 0), batch=1):
    """A window whose output is as large as ONNX infers (floor). `pads` top, left, bottom, right."""
    out = [
        (size[i] + pads[i] + pads[i + 2] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1
        for i in range(2)
    ]
    return Window(batch, *size, channels[0], *out, channels[1], *kernel, *stride, *dilation, *pads)


def random_window(rng, channels):
    """Any legal window with a handful of pixels, pads up to beyond the kernel."""
    while True:
        made = window(
            rng.integers(1, 12, 2).tolist(),
            channels,
            rng.integers(1, 6, 2).tolist(),
            stride=rng.integers(1, 4, 2).tolist(),
            dilation=rng.integers(1, 4, 2).tolist(),
            pads=rng.integers(0, 7, 4).tolist(),
            batch=int(rng.integers(1, 3)),
        )
        if made.out_h > 0 and made.out_w > 0:
            return made


def ceil_mode(made):
    """The same pool with one more row and column of outputs, which reach beyond the pads."""
    return replace(made, out_h=made.out_h + 1, out_w=made.out_w + 1)


def taps(x, w, fill):
    """Yields (kh, kw, values, inside): the element of every output's window at that tap.

    Args:
        x: the input, NHWC.
        fill: value of positions outside the input.

    Yields:
        values [batch, out_h, out_w, in_c] and inside [out_h, out_w, 1], in the order kh, kw.
    """
    rows = np.arange(w.out_h) * w.stride_h - w.pad_top
    columns = np.arange(w.out_w) * w.stride_w - w.pad_left
    for kh in range(w.kernel_h):
        ih = rows + kh * w.dilation_h
        for kw in range(w.kernel_w):
            iw = columns + kw * w.dilation_w
            inside = (((ih >= 0) & (ih < w.in_h))[:, None] & ((iw >= 0) & (iw < w.in_w)))[..., None]
            values = x[:, ih.clip(0, w.in_h - 1)][:, :, iw.clip(0, w.in_w - 1)]
            yield kh, kw, np.where(inside, values, fill), inside


def counted(w, count_include_pad):
    """Elements that an average divides by, [out_h, out_w, 1]."""
    if not count_include_pad:
        return sum(inside.astype(np.int32) for *_, inside in taps(np.zeros(w.in_shape, np.int8), w, 0))
    padded = replace(
        w,
        in_h=w.in_h + w.pad_top + w.pad_bottom,
        in_w=w.in_w + w.pad_left + w.pad_right,
        pad_top=0,
        pad_left=0,
    )
    return counted(padded, count_include_pad=False)

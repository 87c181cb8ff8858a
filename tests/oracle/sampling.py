"""Sampling between elements: GridSample and RoiAlign."""

import math
from itertools import product
from typing import Any

import numpy as np

from .arithmetic import F32, Array
from .layer import Layer, Operator
from .resize import keys

F64 = np.float64


def _reflected(x: F64, lo: float, hi: float) -> F64:
    span = hi - lo
    if span <= 0:
        return F64(lo)
    d = abs(x - lo)
    n = np.floor(d / span)
    d = d - n * span
    return F64(lo + d if n % 2 == 0 else hi - d)


class _Sampler:
    """One dimension of GridSample."""

    def __init__(self, attrs: dict[str, Any], size: int) -> None:
        self.mode, self.padding, self.aligned = (
            attrs["mode"],
            attrs["padding_mode"],
            bool(attrs["align_corners"]),
        )
        self.size = size
        self.lo, self.hi = (0.0, size - 1.0) if self.aligned else (-0.5, size - 0.5)

    def taps(self, g: F64) -> list[tuple[int, F64]]:
        """Element, -1 for a zero, and weight of each tap."""
        size = F64(self.size)
        c = (g + 1.0) / 2.0 * (size - 1.0) if self.aligned else ((g + 1.0) * size - 1.0) / 2.0
        if self.mode == "nearest":
            c = np.rint(min(max(c, F64(-(2.0**30))), F64(2.0**30))) if not np.isnan(c) else c
        if self.mode != "cubic" and (c < self.lo or c > self.hi):
            if self.padding == "border":
                c = F64(0) if c < 0 else size - 1.0
            elif self.padding == "reflection":
                c = _reflected(c, self.lo, self.hi)
        base = np.floor(c)
        ratio = c - base
        offsets, weights = {
            "nearest": ([0.0], [F64(1)]),
            "linear": ([0.0, 1.0], [1.0 - ratio, ratio]),
            "cubic": ([-1.0, 0.0, 1.0, 2.0], [keys(o - ratio, -0.75) for o in (-1.0, 0.0, 1.0, 2.0)]),
        }[self.mode]
        return [
            (self._element(base + offset), weight) for offset, weight in zip(offsets, weights, strict=True)
        ]

    def _element(self, i: F64) -> int:
        if self.padding == "reflection" and (i < 0 or i > self.size - 1):
            i = np.floor(_reflected(i, self.lo, self.hi))
        if 0 <= i <= self.size - 1:
            return int(i)
        if self.padding == "zeros" or np.isnan(i):
            return -1
        return 0 if i < 0 else self.size - 1


def grid_sample(layer: Layer) -> Array:
    """In float64."""
    x, grid = layer.x(0), layer.x(1).astype(F64)
    samplers = [_Sampler(layer.node.attrs, size) for size in x.shape[2:]]
    y = np.zeros(layer.out.shape, x.dtype)
    for b, *place in np.ndindex(*grid.shape[:-1]):
        at = (b, *place)
        taps = [sampler.taps(g) for sampler, g in zip(samplers, grid[at][::-1], strict=True)]
        acc = np.zeros(x.shape[1], F64)
        for chosen in product(*taps):
            weight = F64(1)
            for _, w in chosen:
                weight = weight * w
            index = tuple(i for i, _ in chosen)
            if min(index) >= 0 and weight != 0:
                acc = acc + weight * x[b, :, *index].astype(F64)
        y[b, :, *place] = acc
    return y


def _samples(layer: Layer, size: float) -> int:
    given = int(layer.node.attrs["sampling_ratio"])
    if given > 0:
        return given
    return 0 if not size > 0 else 1 << 15 if size > 2.0**15 else math.ceil(size)


def _corners(v: Array, size: int) -> tuple[int, int, Array]:
    """Two neighbours and the distance from the first."""
    v = v if v > 0 else v.dtype.type(0)
    first = int(v)
    if first >= size - 1:
        first, v = size - 1, v.dtype.type(size - 1)
    return first, min(first + 1, size - 1), v - v.dtype.type(first)


def roi_align(layer: Layer) -> Array:
    """Samples of a bilinear surface, averaged or the largest part."""
    x, rois, batch, attrs = layer.x(0), layer.x(1), layer.x(2), layer.node.attrs
    t = x.dtype.type
    one, half, scale = t(1), t(0.5), t(F32(attrs["spatial_scale"]))
    offset = half if attrs["half_pixel"] else t(0)
    rows, columns = x.shape[2:]
    y = np.zeros(layer.out.shape, x.dtype)
    if ((batch < 0) | (batch >= len(x))).any():
        raise IndexError("a region of an image that the batch does not hold")
    for r, c, oh, ow in np.ndindex(*y.shape):
        left, top, right, bottom = (v * scale - offset for v in rois[r])
        width, height = right - left, bottom - top
        if not attrs["half_pixel"]:
            width, height = (one if v < 1 else v for v in (width, height))
        bin_h, bin_w = height / t(y.shape[2]), width / t(y.shape[3])
        grid_h, grid_w = _samples(layer, float(bin_h)), _samples(layer, float(bin_w))
        parts: list[Array] = []
        for i, j in np.ndindex(grid_h, grid_w):
            v = top + t(oh) * bin_h + (t(i) + half) * bin_h / t(grid_h)
            u = left + t(ow) * bin_w + (t(j) + half) * bin_w / t(grid_w)
            if not (-1 <= v <= rows and -1 <= u <= columns):
                parts += [t(0)] * 4
                continue
            h, below, lh = _corners(v, rows)
            w, beside, lw = _corners(u, columns)
            m = x[int(batch[r]), c]
            parts += [
                (one - lh) * (one - lw) * m[h, w],
                (one - lh) * lw * m[h, beside],
                lh * (one - lw) * m[below, w],
                lh * lw * m[below, beside],
            ]
        acc = t(0)
        for n, part in enumerate(parts):
            largest = part if n == 0 or part > acc else acc
            acc = largest if attrs["mode"] == "max" else acc + part
        y[r, c, oh, ow] = acc if attrs["mode"] == "max" else acc / t(max(grid_h * grid_w, 1))
    return y


OPERATORS: dict[str, Operator] = {"GridSample": grid_sample, "RoiAlign": roi_align}

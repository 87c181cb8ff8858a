"""Resize: interpolation along each dimension."""

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from .arithmetic import F32, Array
from .layer import Layer, Operator

F64 = np.float64
Taps = list[tuple[int, list[float]] | None]
"""For each place the first element and the weights from there on; None outside of a cropped region."""


def keys(x: float, c: float) -> float:
    """Keys' cubic convolution."""
    a = abs(x)
    if a <= 1.0:
        return ((c + 2.0) * a - (c + 3.0)) * a * a + 1.0
    return ((c * a - 5.0 * c) * a + 8.0 * c) * a - 4.0 * c if a < 2.0 else 0.0


@dataclass(frozen=True)
class _Axis:
    """One dimension that is resized.

    Attributes:
        size: Elements of the input.
        out: Elements of the output.
        begin: Of the region that is taken.
        end: Of it.
    """

    size: int
    out: int
    scale: float
    begin: float = 0.0
    end: float = 1.0

    def place(self, how: str, i: float) -> float:
        """Where in the input an element of the output lies."""
        last = self.size - 1.0
        stretched = self.scale * self.size
        if how == "align_corners":
            return 0.0 if stretched == 1.0 else i * last / (stretched - 1.0)
        if how == "asymmetric":
            return i / self.scale
        if how == "tf_crop_and_resize":
            span = self.end - self.begin
            if self.out == 1:
                return span * last / 2.0 + self.begin * last
            return i * span * last / (self.out - 1.0) + self.begin * last
        place = (i + 0.5) / self.scale
        if how == "half_pixel_symmetric":
            return self.size / 2.0 * (1.0 - self.out / stretched) + place - 0.5
        return -0.5 if how == "pytorch_half_pixel" and self.out == 1 else place - 0.5


def _weight(attrs: dict[str, Any], k: int, ratio: float, shrink: float) -> float:
    if attrs["mode"] == "nearest":
        right = {
            "round_prefer_floor": ratio > 0.5,
            "round_prefer_ceil": ratio >= 0.5,
            "floor": ratio == 1.0,
            "ceil": True,
        }[attrs["nearest_mode"]]
        # Of antialiasing's further taps those that are not the second are like the first.
        return float(right == (k == 1))
    t = (k - ratio) * shrink
    return (
        max(1.0 - abs(t), 0.0) if attrs["mode"] == "linear" else keys(t, float(F32(attrs["cubic_coeff_a"])))
    )


def _taps(attrs: dict[str, Any], axis: _Axis) -> Taps:
    shrink = axis.scale if attrs["antialias"] and axis.scale < 1.0 else 1.0
    reach = 2.0 if attrs["mode"] == "cubic" else 1.0
    start = math.floor(-reach / shrink) + 1
    rows: Taps = []
    for i in range(axis.out):
        x = axis.place(attrs["coordinates"], float(i))
        if attrs["coordinates"] == "tf_crop_and_resize" and not 0.0 <= x <= axis.size - 1.0:
            rows.append(None)
            continue
        base = math.ceil(x) - 1
        weights = [_weight(attrs, k, x - base, shrink) for k in range(start, 2 - start)]
        if attrs["exclude_outside"]:
            weights = [w if 0 <= base + start + n < axis.size else 0.0 for n, w in enumerate(weights)]
        if shrink < 1.0 or attrs["exclude_outside"]:
            total = 0.0
            for w in weights:
                total = total + w
            weights = [w / total for w in weights]
        rows.append((base + start, weights))
    return rows


def resize(layer: Layer) -> Array:
    """By scales or sizes, in float64."""
    x, how, attrs, shape = layer.x(0), layer.x(1), layer.node.attrs, layer.out.shape
    axes = layer.node.ints("axes")
    scales = [float(v) for v in how]
    if how.dtype.kind == "i":
        scales = [float(v) / float(x.shape[axis]) for v, axis in zip(how, axes, strict=True)]
        if attrs["aspect"] != "stretch":
            scales = [(min if attrs["aspect"] == "not_larger" else max)(scales)] * len(axes)
    tables: list[Taps] = [[(i, [1.0]) for i in range(size)] for size in shape]
    for n, axis in enumerate(axes):
        region = (float(layer.x(2)[n]), float(layer.x(2)[n + len(axes)])) if layer.has(2) else (0.0, 1.0)
        tables[axis] = _taps(attrs, _Axis(x.shape[axis], shape[axis], scales[n], *region))
    y = np.zeros(shape, x.dtype)
    for place in np.ndindex(*shape):
        rows = [table[i] for table, i in zip(tables, place, strict=True)]
        known = [row for row in rows if row is not None]
        if len(known) < len(rows):
            y[place] = F64(F32(attrs["extrapolation_value"]))
            continue
        acc = F64(0)
        for taps in product(*(range(len(weights)) for _, weights in known)):
            weight, at = 1.0, []
            for (first, weights), tap, size in zip(known, taps, x.shape, strict=True):
                weight = weight * weights[tap]
                at.append(min(max(first + tap, 0), size - 1))
            if weight != 0.0:
                acc = acc + weight * F64(x[tuple(at)])
        y[place] = acc
    return y


OPERATORS: dict[str, Operator] = {"Resize": resize}

"""Operators of detectors: boxes that suppress each other, and convolutions whose taps move."""

from typing import Any

import numpy as np

from .any_windows import Windows
from .arithmetic import F32, Array
from .layer import Layer, Operator


def _corners(box: Array, *, centre: bool) -> tuple[Array, Array, Array, Array]:
    """top, left, bottom, right; float32."""
    if centre:
        x, y, width, height = box
        w, h = width / F32(2), height / F32(2)
        return y - h, x - w, y + h, x + w
    top, left, bottom, right = box
    return (
        min(bottom, top),
        min(right, left),
        max(top, bottom),
        max(left, right),
    )


def _overlap(a: tuple[Array, ...], b: tuple[Array, ...]) -> np.float32:
    """What both cover, in parts of what either does."""
    top, left = (b[n] if not a[n] > b[n] else a[n] for n in (0, 1))
    bottom, right = (b[n] if not a[n] < b[n] else a[n] for n in (2, 3))
    height, width = bottom - top, right - left
    if height <= 0 or width <= 0:
        return F32(0)
    shared = height * width
    first, second = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return F32(shared / (first + second - shared))


def non_max_suppression(layer: Layer) -> tuple[Array, Array]:
    """For each batch and class the best boxes, none of which overlaps a better one too much."""
    boxes, scores, most, limit = (layer.x(index) for index in range(4))
    centre = bool(layer.node.attrs["center_point_box"])
    found: list[tuple[int, int, int]] = []
    for b, c in np.ndindex(*scores.shape[:2]):
        score = scores[b, c]
        corners = [_corners(box, centre=centre) for box in boxes[b]]
        left = [i for i, s in enumerate(score) if not layer.has(4) or s > layer.x(4).reshape(())]
        for _ in range(int(most.reshape(()))):
            if not left:
                break
            best = left[0]
            for i in left[1:]:
                best = i if score[i] > score[best] else best
            found.append((b, c, best))
            left = [
                i for i in left if i != best and not _overlap(corners[best], corners[i]) > limit.reshape(())
            ]
    y = np.zeros(layer.out.shape, np.int64)
    y[: len(found)] = np.array(found, np.int64).reshape(-1, 3)
    return y, np.array([len(found), 3], np.int32)


def deform_conv(layer: Layer) -> Array:
    """Taps are moved, read between the elements, and weighted by a mask."""
    x, w, offsets, bias = (layer.x(index) for index in range(4))
    group, parts = int(layer.node.attrs["group"]), int(layer.node.attrs["offset_group"])
    t, shape = x.dtype.type, layer.out.shape
    windows = Windows(layer, x.shape[2:], shape[2:])
    depth, wide, taps = w.shape[1], w.shape[0] // group, w.shape[2] * w.shape[3]
    y = np.zeros(shape, x.dtype)
    for n, oc, oh, ow in np.ndindex(*shape):
        acc = bias[oc]
        for tap, (kh, kw) in enumerate(np.ndindex(*w.shape[2:])):
            for ic in range(depth):
                channel = oc // wide * depth + ic
                at = (channel // (x.shape[1] // parts)) * taps + tap
                moved = offsets[n, 2 * at : 2 * at + 2, oh, ow]
                h, v = (
                    t(place * windows.strides[d] - windows.begin[d] + k * windows.dilations[d]) + moved[d]
                    for d, (place, k) in enumerate(((oh, kh), (ow, kw)))
                )
                sample = _between(x[n, channel], h, v)
                if sample is None:
                    continue
                opened = layer.x(4)[n, at, oh, ow] if layer.has(4) else t(1)
                acc = acc + sample * opened * w[oc, ic, kh, kw]
        y[n, oc, oh, ow] = acc
    return y


def _between(m: Array, h: Array, v: Array) -> Any:
    """A bilinear surface, zero outside; None where no corner is inside."""
    t, (rows, columns) = m.dtype.type, m.shape
    floor_h, floor_w = np.floor(h), np.floor(v)
    if not (-1 <= floor_h < rows and -1 <= floor_w < columns):
        return None
    far_h, far_w = h - floor_h, v - floor_w
    sample = t(0)
    for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
        row, column = int(floor_h) + a, int(floor_w) + b
        if 0 <= row < rows and 0 <= column < columns:
            share = (far_h if a else t(1) - far_h) * (far_w if b else t(1) - far_w)
            sample = sample + share * m[row, column]
    return sample


OPERATORS: dict[str, Operator] = {"DeformConv": deform_conv, "NonMaxSuppression": non_max_suppression}

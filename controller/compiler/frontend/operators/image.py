"""Interpolation, sampling, boxes."""

import itertools
import math
from typing import Any

import numpy as np

from controller.compiler.frontend.context import Context, Importer
from controller.compiler.frontend.operators.indexing import sized
from controller.compiler.frontend.operators.window import resolve_windows

_FLOAT = np.dtype(np.float32)
_INT64 = np.dtype(np.int64)


def _text(ctx: Context, name: str, default: str) -> str:
    return str(ctx.attrs.get(name, default.encode()).decode())


def resize(ctx: Context) -> None:
    """Resize; before opset 11, and in Upsample, coordinates are asymmetric and the nearest is the floor."""
    old = ctx.opset < 11
    rank = len(ctx.tensor(0).shape)
    axes = [ctx.axis(int(a), rank) for a in ctx.attrs.get("axes", range(rank))]
    attrs: dict[str, Any] = {
        "mode": _text(ctx, "mode", "nearest"),
        "nearest_mode": "floor" if old else _text(ctx, "nearest_mode", "round_prefer_floor"),
        "coordinates": "asymmetric" if old else _text(ctx, "coordinate_transformation_mode", "half_pixel"),
        "antialias": bool(ctx.attrs.get("antialias", 0)),
        "exclude_outside": bool(ctx.attrs.get("exclude_outside", 0)),
        "cubic_coeff_a": float(ctx.attrs.get("cubic_coeff_a", -0.75)),
        "extrapolation_value": float(ctx.attrs.get("extrapolation_value", 0.0)),
        "axes": axes,
        "aspect": _text(ctx, "keep_aspect_ratio_policy", "stretch"),
    }
    if attrs["coordinates"] == "tf_half_pixel_for_nn":
        ctx.refuse("tf_half_pixel_for_nn has no kernel", "export with another coordinate_transformation_mode")
    attrs["mode"] = {"bilinear": "linear", "trilinear": "linear"}.get(attrs["mode"], attrs["mode"])
    inputs = [ctx.node.input[0], _how(ctx, old=old)]
    if attrs["coordinates"] == "tf_crop_and_resize":
        roi = ctx.tensor(1)
        same = roi.dtype == _FLOAT
        inputs.append(roi.name if same else ctx.emit("Cast", [roi.name], "roi", roi.shape, "roi", _FLOAT))
    ctx.emit("Resize", inputs, **attrs)


def _how(ctx: Context, *, old: bool) -> str:
    """The input that tells sizes or scales."""
    if old:
        if ctx.has(1):
            return str(ctx.node.input[1])
        return ctx.add_constant("scales", np.array(ctx.attrs["scales"], np.float32))
    if ctx.has(3):
        return str(ctx.node.input[3])
    return str(ctx.node.input[2])


def grid_sample(ctx: Context) -> None:
    """GridSample."""
    mode = _text(ctx, "mode", "linear")
    ctx.emit(
        "GridSample",
        list(ctx.node.input),
        mode={"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode),
        padding_mode=_text(ctx, "padding_mode", "zeros"),
        align_corners=bool(ctx.attrs.get("align_corners", 0)),
    )


def non_max_suppression(ctx: Context) -> None:
    """NonMaxSuppression; what is left out selects nothing, or everything."""
    boxes, scores = ctx.tensor(0).shape, ctx.tensor(1).shape
    most = ctx.node.input[2] if ctx.has(2) else ctx.add_constant("most", np.zeros(1, np.int64))
    overlap = ctx.node.input[3] if ctx.has(3) else ctx.add_constant("iou", np.zeros(1, np.float32))
    inputs = [*ctx.node.input[:2], most, overlap, *([ctx.node.input[4]] if ctx.has(4) else [])]
    limit = ctx.graph.tensors[most].data
    chosen = boxes[1] if limit is None else max(0, min(boxes[1], int(limit.reshape(-1)[0])))
    shape = (boxes[0] * scores[1] * chosen, 3)
    centre = bool(ctx.attrs.get("center_point_box", 0))
    sized(ctx, "NonMaxSuppression", inputs, shape, center_point_box=centre)


def roi_align(ctx: Context) -> None:
    """RoiAlign; before opset 16 without the half pixel."""
    default = "half_pixel" if ctx.opset >= 16 else "output_half_pixel"
    index = ctx.tensor(2)
    batch = index.name
    if index.dtype != _INT64:
        batch = ctx.emit("Cast", [batch], "batch", index.shape, "batch", _INT64)
    ctx.emit(
        "RoiAlign",
        [*ctx.node.input[:2], batch],
        mode=_text(ctx, "mode", "avg"),
        sampling_ratio=int(ctx.attrs.get("sampling_ratio", 0)),
        spatial_scale=float(ctx.attrs.get("spatial_scale", 1.0)),
        half_pixel=_text(ctx, "coordinate_transformation_mode", default) == "half_pixel",
    )


def col2im(ctx: Context) -> None:
    """Col2Im; the image shows in the output's shape, the block must be known or implied by it."""
    out = ctx.out_shape
    rank = len(out) - 2
    if ctx.tensor(2).is_constant:
        kernel = [int(size) for size in ctx.constant(2, "its block").reshape(-1)]
    else:
        kernel = _implied_block(ctx, rank)
    ones = [1] * rank
    ctx.emit(
        "Col2Im",
        [ctx.node.input[0]],
        kernel_shape=kernel,
        strides=list(ctx.attrs.get("strides", ones)),
        pads=list(ctx.attrs.get("pads", [0] * (2 * rank))),
        dilations=list(ctx.attrs.get("dilations", ones)),
    )


def _implied_block(ctx: Context, rank: int) -> list[int]:
    """The only block whose size and number of places agree with input and output."""
    x, out = ctx.tensor(0).shape, ctx.out_shape
    taps, blocks = x[1] // out[1], x[2]
    strides = list(ctx.attrs.get("strides", [1] * rank))
    pads = list(ctx.attrs.get("pads", [0] * (2 * rank)))
    dilations = list(ctx.attrs.get("dilations", [1] * rank))
    fitting = []
    divisors = [size for size in range(1, min(taps, max(out[2:])) + 1) if taps % size == 0]
    for kernel in map(list, itertools.product(divisors, repeat=rank)):
        if math.prod(kernel) != taps or any(k > size for k, size in zip(kernel, out[2:], strict=True)):
            continue
        places = [
            (out[d + 2] + pads[d] + pads[d + rank] - ((kernel[d] - 1) * dilations[d] + 1)) // strides[d] + 1
            for d in range(rank)
        ]
        if min(places) > 0 and math.prod(places) == blocks:
            fitting.append(kernel)
    if len(fitting) != 1:
        ctx.refuse("its block is computed at run time", "export the model with it as a constant")
    return fitting[0]


def deform_conv(ctx: Context) -> None:
    """DeformConv of two dimensions."""
    x, w = ctx.tensor(0), ctx.tensor(1)
    if len(x.shape) != 4:
        ctx.refuse("only two dimensions have a kernel", "reshape to two dimensions")
    bias = ctx.node.input[3] if ctx.has(3) else ctx.add_constant("bias", np.zeros(w.shape[0], x.dtype))
    mask = [ctx.node.input[4]] if ctx.has(4) else []
    groups = {key: int(ctx.attrs.get(key, 1)) for key in ("group", "offset_group")}
    attrs: dict[str, Any] = resolve_windows(ctx, list(w.shape[2:])) | groups
    ctx.emit("DeformConv", [*ctx.node.input[:3], bias, *mask], **attrs)


IMPORTERS: dict[str, Importer] = {
    "Col2Im": col2im,
    "DeformConv": deform_conv,
    "GridSample": grid_sample,
    "NonMaxSuppression": non_max_suppression,
    "Resize": resize,
    "RoiAlign": roi_align,
    "Upsample": resize,
}

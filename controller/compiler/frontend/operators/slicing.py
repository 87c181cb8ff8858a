"""Operators that cut, repeat and fill."""

import numpy as np
import onnx

from controller.compiler.frontend.context import Context, Importer
from controller.compiler.ir import Array


def slice_(ctx: Context) -> None:
    """Slice; bounds are attributes before opset 10 and inputs since, which may be computed."""
    if ctx.opset < 10:
        starts, ends = (np.array(ctx.attrs[key], np.int64) for key in ("starts", "ends"))
        axes = np.array(ctx.attrs.get("axes", range(len(starts))), np.int64)
        _known_slice(ctx, starts, ends, axes, np.ones(len(starts), np.int64))
        return
    names = list(ctx.node.input)
    bounds = ctx.tensor(1)
    count = bounds.size
    if not ctx.has(3):
        names[3:4] = [ctx.add_constant("axes", np.arange(count, dtype=bounds.dtype))]
    if not ctx.has(4):
        names[4:5] = [ctx.add_constant("steps", np.ones(count, bounds.dtype))]
    values = [ctx.graph.tensors[name].data for name in names[1:]]
    known = [value for value in values if value is not None]
    if len(known) == 4:
        _known_slice(ctx, *known)
        return
    ctx.emit("Slice", names)


def _known_slice(ctx: Context, starts: Array, ends: Array, axes: Array, steps: Array) -> None:
    shape = ctx.tensor(0).shape
    first, by = [0] * len(shape), [1] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        dim = ctx.axis(int(axis), len(shape))
        bounds = range(shape[dim])[slice(int(start), int(end), int(step))]
        first[dim], by[dim] = (bounds.start if len(bounds) else 0), int(step)
    ctx.emit("Slice", [ctx.node.input[0]], starts=first, steps=by)


def split(ctx: Context) -> None:
    """Split; how much goes where shows in the shapes of the outputs."""
    axis = ctx.axis(int(ctx.attrs.get("axis", 0)), len(ctx.tensor(0).shape))
    ctx.emit_all("Split", [ctx.node.input[0]], axis=axis)


def shape_only(ctx: Context) -> None:
    """Expand and Tile: what the other inputs say shows in the output's shape."""
    ctx.emit(ctx.node.op_type, [ctx.node.input[0]])


def range_(ctx: Context) -> None:
    """Range; how many shows in the output's shape."""
    ctx.emit("Range", [ctx.node.input[0], ctx.node.input[2]])


def trilu(ctx: Context) -> None:
    """Trilu."""
    k = ctx.node.input[1] if ctx.has(1) else ctx.add_constant("k", np.zeros((), np.int64))
    ctx.emit("Trilu", [ctx.node.input[0], k], upper=bool(ctx.attrs.get("upper", 1)))


def reverse_sequence(ctx: Context) -> None:
    """ReverseSequence."""
    batch, time = int(ctx.attrs.get("batch_axis", 1)), int(ctx.attrs.get("time_axis", 0))
    ctx.emit("ReverseSequence", list(ctx.node.input), batch_axis=batch, time_axis=time)


def _constant(ctx: Context, value: Array) -> None:
    ctx.emit("Identity", [ctx.add_constant("value", value)])


def constant_of_shape(ctx: Context) -> None:
    """ConstantOfShape of a shape that is computed but known."""
    value = ctx.attrs.get("value")
    element = np.zeros(1, np.float32) if value is None else onnx.numpy_helper.to_array(value)
    _constant(ctx, np.full(ctx.out_shape, element.reshape(-1)[0], ctx.out_dtype))


def eye_like(ctx: Context) -> None:
    """EyeLike: only the shape of its input counts."""
    rows, columns = ctx.out_shape
    _constant(ctx, np.eye(rows, columns, int(ctx.attrs.get("k", 0)), ctx.out_dtype))


IMPORTERS: dict[str, Importer] = {
    "ConstantOfShape": constant_of_shape,
    "Expand": shape_only,
    "EyeLike": eye_like,
    "Range": range_,
    "ReverseSequence": reverse_sequence,
    "Slice": slice_,
    "Split": split,
    "Tile": shape_only,
    "Trilu": trilu,
}

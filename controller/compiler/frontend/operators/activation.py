"""Operators on one tensor, and Softmax."""

import math

import numpy as np

from controller.compiler.frontend.context import Context, Importer

_LARGEST = float(np.finfo(np.float32).max)


def relu(ctx: Context) -> None:
    """Relu: a clamp at zero."""
    ctx.emit("Relu", [ctx.node.input[0]], clamp=[0.0, math.inf])


def clip(ctx: Context) -> None:
    """Clip; bounds are attributes before opset 11 and inputs since."""
    bounds = []
    for index, (key, default) in enumerate((("min", -math.inf), ("max", math.inf)), start=1):
        value = ctx.attrs.get(key, default)
        if ctx.has(index):
            value = ctx.constant(index, f"its bound {key}").reshape(()).item()
        if math.isnan(value):
            ctx.refuse(f"its bound {key} is NaN", "export sound bounds")
        # Before opset 11 the largest float stands for "no bound".
        bounds.append(default if abs(value) >= _LARGEST and value * default > 0 else float(np.float32(value)))
    low, high = bounds
    ctx.emit("Clip", [ctx.node.input[0]], clamp=[min(low, high), high])


def hard_sigmoid(ctx: Context) -> None:
    """max(0, min(1, alpha · x + beta))."""
    alpha, beta = np.float32(ctx.attrs.get("alpha", 0.2)), np.float32(ctx.attrs.get("beta", 0.5))
    ctx.emit("HardSigmoid", [ctx.node.input[0]], alpha=float(alpha), beta=float(beta))


def plain(ctx: Context) -> None:
    """Operators without attributes."""
    ctx.emit(ctx.node.op_type, [ctx.node.input[0]])


def softmax(ctx: Context) -> None:
    """Softmax along one axis; before opset 13 along all axes from `axis` on, flattened."""
    x = ctx.tensor(0)
    rank = len(x.shape)
    axis = ctx.axis(int(ctx.attrs.get("axis", -1 if ctx.opset >= 13 else 1)), rank)
    tail = math.prod(x.shape[axis:])
    if ctx.opset >= 13 or tail == x.shape[axis]:
        _check_length(ctx, x.shape[axis])
        ctx.emit("Softmax", [x.name], axis=axis)
        return
    _check_length(ctx, tail)
    flat = (math.prod(x.shape[:axis]), tail)
    rows = ctx.emit("Reshape", [x.name], out="rows", shape=flat, name="flatten")
    result = ctx.emit("Softmax", [rows], out="result", shape=flat, axis=1)
    ctx.emit("Reshape", [result], name="unflatten")


def _check_length(ctx: Context, length: int) -> None:
    if length > 65536:
        ctx.refuse(f"an axis of {length} elements; up to 65536 have a kernel")


IMPORTERS: dict[str, Importer] = {
    "HardSigmoid": hard_sigmoid,
    "HardSwish": plain,
    "Sigmoid": plain,
    "Softmax": softmax,
}

"""Conv and the pools: every attribute explicit, no `auto_pad`.

Maps of float32 with one or two dimensions and known weights have fast kernels; any other rank, type or
weight has a general one.
"""

from typing import Any

import numpy as np

from controller.compiler.frontend.context import Context, Importer
from controller.compiler.ir import FLOAT

MAX_RANK = 5


def resolve_windows(ctx: Context, kernel: list[int]) -> dict[str, Any]:
    """kernel_shape, strides, pads, dilations."""
    spatial = ctx.tensor(0).shape[2:]
    rank = len(spatial)
    if rank > MAX_RANK:
        ctx.refuse(f"windows of {rank} dimensions have no kernel; up to {MAX_RANK} have")
    strides = list(ctx.attrs.get("strides", [1] * rank))
    dilations = list(ctx.attrs.get("dilations", [1] * rank))
    auto_pad = ctx.attrs.get("auto_pad", b"NOTSET").decode()
    pads = list(ctx.attrs.get("pads", [0] * (2 * rank)))
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        pads = [0] * (2 * rank)
        for axis, size in enumerate(spatial):
            reach = (kernel[axis] - 1) * dilations[axis] + 1
            total = max((-(-size // strides[axis]) - 1) * strides[axis] + reach - size, 0)
            small, large = total // 2, total - total // 2
            pads[axis], pads[axis + rank] = (small, large) if auto_pad == "SAME_UPPER" else (large, small)
    elif auto_pad == "VALID":
        pads = [0] * (2 * rank)
    if min(pads) < 0:
        ctx.refuse("negative pads have no kernel", "crop with Slice before it")
    return {"kernel_shape": list(kernel), "strides": strides, "pads": pads, "dilations": dilations}


def conv(ctx: Context) -> None:
    """Conv, with any group."""
    w = ctx.tensor(1)
    inputs = [name for name in ctx.node.input if name]
    geometry = resolve_windows(ctx, list(w.shape[2:])) | {"group": int(ctx.attrs.get("group", 1))}
    known = all(ctx.graph.tensors[name].is_constant for name in inputs[1:])
    if known and _is_fast(ctx):
        ctx.emit("Conv", inputs, **geometry)
        return
    if len(inputs) < 3:
        inputs.append(ctx.add_constant("bias", np.zeros(w.shape[0], ctx.out_dtype)))
    ctx.emit("GeneralConv", inputs, **geometry)


def _is_fast(ctx: Context) -> bool:
    return ctx.tensor(0).dtype == FLOAT and len(ctx.tensor(0).shape) in (3, 4)


def conv_transpose(ctx: Context) -> None:
    """ConvTranspose."""
    x, w, out = ctx.tensor(0), ctx.tensor(1), ctx.out_shape
    rank = len(x.shape) - 2
    kernel = list(w.shape[2:])
    strides = list(ctx.attrs.get("strides", [1] * rank))
    dilations = list(ctx.attrs.get("dilations", [1] * rank))
    extra = list(ctx.attrs.get("output_padding", [0] * rank))
    auto_pad = ctx.attrs.get("auto_pad", b"NOTSET").decode()
    pads = list(ctx.attrs.get("pads", [0] * (2 * rank)))
    if "output_shape" in ctx.attrs or auto_pad.startswith("SAME"):
        for d in range(rank):
            full = strides[d] * (x.shape[d + 2] - 1) + extra[d] + (kernel[d] - 1) * dilations[d] + 1
            total = max(full - out[d + 2], 0)
            # ONNX: with SAME_UPPER the odd one is at the end, in all other cases at the begin.
            pads[d] = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
            pads[d + rank] = total - pads[d]
    bias = ctx.node.input[2] if ctx.has(2) else ctx.add_constant("bias", np.zeros(out[1], x.dtype))
    ctx.emit(
        "ConvTranspose",
        [x.name, w.name, bias],
        kernel_shape=kernel,
        strides=strides,
        pads=pads,
        dilations=dilations,
        group=int(ctx.attrs.get("group", 1)),
    )


def max_pool(ctx: Context) -> None:
    """MaxPool; `ceil_mode` shows in the output's shape."""
    geometry = resolve_windows(ctx, list(ctx.attrs["kernel_shape"]))
    if _is_fast(ctx) and not any(ctx.node.output[1:]):
        ctx.emit("MaxPool", [ctx.node.input[0]], **geometry)
        return
    geometry["storage_order"] = int(ctx.attrs.get("storage_order", 0))
    ctx.emit_all("GeneralMaxPool", [ctx.node.input[0]], **geometry)


def average_pool(ctx: Context) -> None:
    """AveragePool."""
    include = int(ctx.attrs.get("count_include_pad", 0))
    geometry = resolve_windows(ctx, list(ctx.attrs["kernel_shape"]))
    for axis, size in enumerate(ctx.tensor(0).shape[2:]):
        _refuse_empty_windows(ctx, geometry, axis, size, padded=bool(include))
    op = "AveragePool" if _is_fast(ctx) else "GeneralAveragePool"
    ctx.emit(op, [ctx.node.input[0]], **geometry, count_include_pad=include)


def _refuse_empty_windows(
    ctx: Context, geometry: dict[str, Any], axis: int, size: int, *, padded: bool
) -> None:
    """A window that counts no element has no average."""
    rank = len(geometry["kernel_shape"])
    before, after = geometry["pads"][axis], geometry["pads"][axis + rank]
    first, last = (-before, size + after) if padded else (0, size)
    count, step = geometry["kernel_shape"][axis], geometry["dilations"][axis]
    for index in range(ctx.out_shape[2 + axis]):
        start = index * geometry["strides"][axis] - before
        skipped = max(0, -(-(first - start) // step))
        if skipped >= count or start + skipped * step >= last:
            ctx.refuse("a window of the average holds no element", "use smaller pads")


def global_average_pool(ctx: Context) -> None:
    """GlobalAveragePool."""
    if _is_fast(ctx):
        ctx.emit("GlobalAveragePool", [ctx.node.input[0]])
        return
    geometry = resolve_windows(ctx, list(ctx.tensor(0).shape[2:]))
    ctx.emit("GeneralAveragePool", [ctx.node.input[0]], **geometry, count_include_pad=0)


def global_max_pool(ctx: Context) -> None:
    """GlobalMaxPool: a MaxPool whose window is everything."""
    geometry = resolve_windows(ctx, list(ctx.tensor(0).shape[2:]))
    if _is_fast(ctx):
        ctx.emit("MaxPool", [ctx.node.input[0]], **geometry)
    else:
        ctx.emit("GeneralMaxPool", [ctx.node.input[0]], **geometry, storage_order=0)


def lp_pool(ctx: Context) -> None:
    """LpPool and GlobalLpPool."""
    kernel = list(ctx.attrs.get("kernel_shape", ctx.tensor(0).shape[2:]))
    ctx.emit("LpPool", [ctx.node.input[0]], **resolve_windows(ctx, kernel), p=int(ctx.attrs.get("p", 2)))


def lrn(ctx: Context) -> None:
    """LRN."""
    values = {"alpha": 1e-4, "beta": 0.75, "bias": 1.0}
    attrs: dict[str, Any] = {key: float(ctx.attrs.get(key, default)) for key, default in values.items()}
    ctx.emit("LRN", [ctx.node.input[0]], size=int(ctx.attrs["size"]), **attrs)


def max_unpool(ctx: Context) -> None:
    """MaxUnpool; the indices count the tensor that was pooled, which may be smaller than the output."""
    x = ctx.tensor(0)
    rank = len(x.shape) - 2
    kernel, strides = list(ctx.attrs["kernel_shape"]), list(ctx.attrs.get("strides", [1] * rank))
    pads = list(ctx.attrs.get("pads", [0] * (2 * rank)))
    sizes = [(x.shape[d + 2] - 1) * strides[d] - pads[d] - pads[d + rank] + kernel[d] for d in range(rank)]
    ctx.emit("MaxUnpool", list(ctx.node.input[:2]), pooled_shape=[*x.shape[:2], *sizes])


IMPORTERS: dict[str, Importer] = {
    "AveragePool": average_pool,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "GlobalAveragePool": global_average_pool,
    "GlobalLpPool": lp_pool,
    "GlobalMaxPool": global_max_pool,
    "LRN": lrn,
    "LpPool": lp_pool,
    "MaxPool": max_pool,
    "MaxUnpool": max_unpool,
}

"""Conv and the pools: every attribute explicit, no `auto_pad`."""

from typing import Any

from controller.compiler.frontend.context import Context, Importer


def _geometry(ctx: Context, kernel: list[int]) -> dict[str, Any]:
    """kernel_shape, strides, pads, dilations."""
    spatial = ctx.tensor(0).shape[2:]
    rank = len(spatial)
    if rank not in (1, 2):
        ctx.refuse(f"windows of {rank} dimensions have no kernel; 1 and 2 have", "reshape to two dimensions")
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
    w = ctx.constant(1, "its weight")
    if ctx.has(2):
        ctx.constant(2, "its bias")
    inputs = [name for name in ctx.node.input if name]
    ctx.emit("Conv", inputs, **_geometry(ctx, list(w.shape[2:])), group=int(ctx.attrs.get("group", 1)))


def max_pool(ctx: Context) -> None:
    """MaxPool; `ceil_mode` shows in the output's shape."""
    ctx.only_output()
    ctx.emit("MaxPool", [ctx.node.input[0]], **_geometry(ctx, list(ctx.attrs["kernel_shape"])))


def average_pool(ctx: Context) -> None:
    """AveragePool."""
    include = int(ctx.attrs.get("count_include_pad", 0))
    geometry = _geometry(ctx, list(ctx.attrs["kernel_shape"]))
    for axis, size in enumerate(ctx.tensor(0).shape[2:]):
        _refuse_empty_windows(ctx, geometry, axis, size, padded=bool(include))
    ctx.emit("AveragePool", [ctx.node.input[0]], **geometry, count_include_pad=include)


def _refuse_empty_windows(
    ctx: Context, geometry: dict[str, Any], axis: int, size: int, *, padded: bool
) -> None:
    """A window that counts no element has no average."""
    rank = len(geometry["kernel_shape"])
    before, after = geometry["pads"][axis], geometry["pads"][axis + rank]
    first, last = (-before, size + after) if padded else (0, size)
    taps = range(0, geometry["kernel_shape"][axis] * geometry["dilations"][axis], geometry["dilations"][axis])
    for index in range(ctx.out_shape[2 + axis]):
        start = index * geometry["strides"][axis] - before
        if not any(first <= start + tap < last for tap in taps):
            ctx.refuse("a window of the average holds no element", "use smaller pads")


def global_average_pool(ctx: Context) -> None:
    """GlobalAveragePool."""
    if len(ctx.tensor(0).shape) not in (3, 4):
        ctx.refuse("windows of other than 1 or 2 dimensions have no kernel")
    ctx.emit("GlobalAveragePool", [ctx.node.input[0]])


def global_max_pool(ctx: Context) -> None:
    """GlobalMaxPool: a MaxPool whose window is everything."""
    ctx.emit("MaxPool", [ctx.node.input[0]], **_geometry(ctx, list(ctx.tensor(0).shape[2:])))


IMPORTERS: dict[str, Importer] = {
    "AveragePool": average_pool,
    "Conv": conv,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
    "MaxPool": max_pool,
}

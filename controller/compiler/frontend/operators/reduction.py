"""Operators that fold dimensions away, or run along one."""

from controller.compiler.frontend.context import Context, Importer
from controller.compiler.ir import FLOAT

REDUCTIONS = (
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin"),
    *("ReduceProd", "ReduceSum", "ReduceSumSquare"),
)


def reduce(ctx: Context) -> None:
    """A reduction; its axes are an attribute of old opsets, an input of new ones, and may be computed."""
    x = ctx.tensor(0)
    rank = len(x.shape)
    keep = bool(ctx.attrs.get("noop_with_empty_axes", 0))
    if ctx.has(1) and ctx.tensor(1).data is None:
        ctx.emit(ctx.node.op_type, [x.name, ctx.node.input[1]], noop_with_empty_axes=keep)
        return
    given = ctx.tensor(1).value.reshape(-1).tolist() if ctx.has(1) else list(ctx.attrs.get("axes", []))
    if not given and keep:
        ctx.emit("Identity", [x.name])
        return
    axes = sorted(ctx.axis(int(axis), rank) for axis in given) or list(range(rank))
    if (
        ctx.node.op_type == "ReduceMean"
        and x.dtype == FLOAT
        and rank in (3, 4)
        and axes == list(range(2, rank))
    ):
        _global_average(ctx)
        return
    ctx.emit(ctx.node.op_type, [x.name], axes=axes)


def _global_average(ctx: Context) -> None:
    """The mean over all positions of a map is a pool, which has faster kernels and an int8 form."""
    x = ctx.tensor(0)
    shape = (*x.shape[:2], *(1,) * (len(x.shape) - 2))
    if ctx.out_shape == shape:
        ctx.emit("GlobalAveragePool", [x.name])
        return
    pooled = ctx.emit("GlobalAveragePool", [x.name], "pooled", shape, "pool")
    ctx.emit("Reshape", [pooled])


def arg(ctx: Context) -> None:
    """ArgMax and ArgMin."""
    axis = ctx.axis(int(ctx.attrs.get("axis", 0)), len(ctx.tensor(0).shape))
    last = bool(ctx.attrs.get("select_last_index", 0))
    ctx.emit(ctx.node.op_type, [ctx.node.input[0]], axis=axis, select_last_index=last)


def cumulate(ctx: Context) -> None:
    """CumSum and CumProd."""
    exclusive, reverse = (bool(ctx.attrs.get(key, 0)) for key in ("exclusive", "reverse"))
    ctx.emit(ctx.node.op_type, list(ctx.node.input), exclusive=exclusive, reverse=reverse)


IMPORTERS: dict[str, Importer] = {
    **dict.fromkeys(REDUCTIONS, reduce),
    "ArgMax": arg,
    "ArgMin": arg,
    "CumProd": cumulate,
    "CumSum": cumulate,
}

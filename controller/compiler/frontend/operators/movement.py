"""Operators that move elements and compute nothing."""

import numpy as np

from controller.compiler.frontend.context import Context, Importer
from controller.compiler.ir import Array


def view(ctx: Context) -> None:
    """Reshape, Flatten, Squeeze, Unsqueeze: the new shape is known by now."""
    ctx.emit(ctx.node.op_type, [ctx.node.input[0]])


def identity(ctx: Context) -> None:
    """Identity."""
    ctx.emit("Identity", [ctx.node.input[0]])


def transpose(ctx: Context) -> None:
    """Transpose; without `perm` the dimensions are reversed."""
    rank = len(ctx.tensor(0).shape)
    if rank > 6:
        ctx.refuse(f"{rank} dimensions; up to 6 have a kernel", "reshape first")
    perm = [int(axis) for axis in ctx.attrs.get("perm", reversed(range(rank)))]
    ctx.emit("Transpose", [ctx.node.input[0]], perm=perm)


def concat(ctx: Context) -> None:
    """Concat."""
    rank = len(ctx.out_shape)
    if rank > 6:
        ctx.refuse(f"{rank} dimensions; up to 6 have a kernel", "reshape first")
    ctx.emit("Concat", list(ctx.node.input), axis=ctx.axis(ctx.attrs["axis"], rank))


def pad(ctx: Context) -> None:
    """Pad; pads are attributes before opset 11 and inputs since, which may be computed."""
    x, mode = ctx.tensor(0), ctx.attrs.get("mode", b"constant").decode()
    rank = len(x.shape)
    if ctx.opset >= 11:
        given = ctx.node.input[1]
        value = ctx.node.input[2] if ctx.has(2) else ctx.add_constant("value", np.zeros((), x.dtype))
        axes = ctx.node.input[3] if ctx.has(3) else ctx.add_constant("axes", np.arange(rank))
    else:
        given = ctx.add_constant("pads", np.array(ctx.attrs["pads"], np.int64))
        value = ctx.add_constant("value", np.array(ctx.attrs.get("value", 0.0), x.dtype))
        axes = ctx.add_constant("axes", np.arange(rank))
    data = [ctx.graph.tensors[name].data for name in (given, value, axes)]
    pads = None if data[0] is None or data[2] is None else _all_pads(ctx, data[0], data[2], rank)
    if pads is not None and not any(pads):
        ctx.emit("Identity", [x.name])
    elif pads is None or data[1] is None or mode != "constant" or min(pads) < 0:
        ctx.emit("Pad", [x.name, given, value, axes], mode=mode)
    else:
        ctx.emit("Pad", [x.name], pads=pads, value=data[1].reshape(()).item())


def _all_pads(ctx: Context, given: Array, axes: Array, rank: int) -> list[int]:
    """Begins, then ends, of every dimension."""
    pads = [0] * (2 * rank)
    for index, axis in enumerate(ctx.axis(int(axis), rank) for axis in axes):
        pads[axis], pads[axis + rank] = int(given[index]), int(given[index + len(axes)])
    return pads


IMPORTERS: dict[str, Importer] = {
    "Concat": concat,
    "Flatten": view,
    "Identity": identity,
    "Pad": pad,
    "Reshape": view,
    "Squeeze": view,
    "Transpose": transpose,
    "Unsqueeze": view,
}

"""Operators that move elements and compute nothing."""

from controller.compiler.frontend.context import Context, Importer


def view(ctx: Context) -> None:
    """Reshape, Flatten, Squeeze, Unsqueeze: the new shape is known by now."""
    ctx.emit(ctx.node.op_type, [ctx.node.input[0]])


def identity(ctx: Context) -> None:
    """Identity; Dropout is one at inference."""
    if any(ctx.node.output[1:]):
        ctx.refuse("its mask has no kernel", "export with model.eval()")
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
    """Pad with a constant; pads are attributes before opset 11 and inputs since."""
    mode = ctx.attrs.get("mode", b"constant").decode()
    if mode != "constant":
        ctx.refuse(f'mode "{mode}" has no kernel', 'pad with mode="constant"')
    rank = len(ctx.tensor(0).shape)
    if ctx.opset >= 11:
        given = ctx.constant(1, "its list of pads").tolist()
        value = float(ctx.constant(2, "its value").reshape(()).item()) if ctx.has(2) else 0.0
        axes = (
            [ctx.axis(a, rank) for a in ctx.constant(3, "its list of axes").tolist()]
            if ctx.has(3)
            else list(range(rank))
        )
    else:
        given, value, axes = list(ctx.attrs["pads"]), float(ctx.attrs.get("value", 0.0)), list(range(rank))
    pads = [0] * (2 * rank)
    for index, axis in enumerate(axes):
        pads[axis], pads[axis + rank] = given[index], given[index + len(axes)]
    if min(pads, default=0) < 0:
        ctx.refuse("negative pads have no kernel", "crop before exporting")
    if not any(pads):
        ctx.emit("Identity", [ctx.node.input[0]])
        return
    ctx.emit("Pad", [ctx.node.input[0]], pads=pads, value=value)


IMPORTERS: dict[str, Importer] = {
    "Concat": concat,
    "Dropout": identity,
    "Flatten": view,
    "Identity": identity,
    "Pad": pad,
    "Reshape": view,
    "Squeeze": view,
    "Transpose": transpose,
    "Unsqueeze": view,
}

"""Conversions between types."""

from controller.compiler.frontend.context import Context, Importer


def cast(ctx: Context) -> None:
    """Cast; one that changes nothing is an Identity."""
    x = ctx.tensor(0)
    ctx.emit("Identity" if x.dtype == ctx.out_dtype else "Cast", [x.name])


def bit_cast(ctx: Context) -> None:
    """BitCast between types of one size."""
    if ctx.tensor(0).dtype.itemsize != ctx.out_dtype.itemsize:
        ctx.refuse("its types differ in size")
    ctx.emit("BitCast", [ctx.node.input[0]])


IMPORTERS: dict[str, Importer] = {"BitCast": bit_cast, "Cast": cast}

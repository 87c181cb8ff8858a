"""Operators of any type: those whose ONNX form is the graph's form."""

from controller.compiler.frontend.context import Context, Importer


def cast(ctx: Context) -> None:
    """Cast; one that changes nothing is an Identity."""
    x = ctx.tensor(0)
    ctx.emit("Identity" if x.dtype == ctx.out_dtype else "Cast", [x.name])


def gather(ctx: Context) -> None:
    """Gather."""
    rank = len(ctx.tensor(0).shape)
    ctx.emit("Gather", list(ctx.node.input), axis=ctx.axis(int(ctx.attrs.get("axis", 0)), rank))


IMPORTERS: dict[str, Importer] = {"Cast": cast, "Gather": gather}

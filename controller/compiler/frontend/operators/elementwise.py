"""Add, Sub, Mul and Div with broadcasting."""

from controller.compiler.frontend.context import Context, Importer


def binary(ctx: Context) -> None:
    """Both operands as they are."""
    if len(ctx.out_shape) > 6:
        ctx.refuse(f"{len(ctx.out_shape)} dimensions; up to 6 have a kernel", "reshape first")
    ctx.emit(ctx.node.op_type, list(ctx.node.input))


IMPORTERS: dict[str, Importer] = dict.fromkeys(("Add", "Sub", "Mul", "Div"), binary)

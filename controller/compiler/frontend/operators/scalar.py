"""Operators on single elements, of any type."""

from functools import partial
from typing import Any

import numpy as np

from controller.compiler.frontend.context import Context, Importer
from controller.compiler.frontend.operators import activation

PLAIN = (
    *("Abs", "Acos", "Acosh", "And", "Asin", "Asinh", "Atan", "Atanh", "BitwiseAnd", "BitwiseNot"),
    *("BitwiseOr", "BitwiseXor", "Ceil", "Cos", "Cosh", "Equal", "Erf", "Exp", "Floor", "Greater"),
    *("GreaterOrEqual", "IsNaN", "Less", "LessOrEqual", "Log", "Neg", "Not", "Or", "Reciprocal"),
    *("Round", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Tan", "Tanh", "Where", "Xor"),
)
"""Operators without attributes."""


def plain(ctx: Context) -> None:
    """The node as it is."""
    ctx.emit(ctx.node.op_type, list(ctx.node.input))


def with_constants(ctx: Context, **defaults: float) -> None:
    """Operators of one tensor and some constants, which the graph calls alpha, beta and gamma."""
    values = [float(ctx.attrs.get(name, default)) for name, default in defaults.items()]
    constants: dict[str, Any] = dict(zip(("alpha", "beta", "gamma"), values, strict=False))
    ctx.emit(ctx.node.op_type, [ctx.node.input[0]], **constants)


def is_inf(ctx: Context) -> None:
    """IsInf: which of the two counts."""
    negative, positive = (bool(ctx.attrs.get(f"detect_{sign}", 1)) for sign in ("negative", "positive"))
    ctx.emit("IsInf", [ctx.node.input[0]], negative=negative, positive=positive)


def bit_shift(ctx: Context) -> None:
    """BitShift of unsigned integers."""
    ctx.emit("BitShift", list(ctx.node.input), direction=ctx.attrs["direction"].decode())


def mod(ctx: Context) -> None:
    """Mod: Python's %, or C's fmod where it is asked for."""
    ctx.emit("Mod", list(ctx.node.input), fmod=bool(ctx.attrs.get("fmod", 0)))


def power(ctx: Context) -> None:
    """Pow: the result has the type of the base, whatever the exponent's."""
    base, exponent = (ctx.tensor(index) for index in (0, 1))
    if base.dtype == exponent.dtype:
        ctx.emit("Pow", [base.name, exponent.name])
        return
    # An integer to a float's power is computed in float64; else the exponent takes the type of the base.
    both_float = base.dtype.kind == "f" or exponent.dtype.kind != "f"
    common = base.dtype if both_float else np.dtype(np.float64)
    inputs = [
        t.name if t.dtype == common else ctx.emit("Cast", [t.name], t.name, t.shape, "cast", common)
        for t in (base, exponent)
    ]
    if common == base.dtype:
        ctx.emit("Pow", inputs)
        return
    result = ctx.emit("Pow", inputs, "power", name="power", dtype=common)
    ctx.emit("Cast", [result])


def fold_left(ctx: Context, op: str) -> str:
    """One operator between each two of many inputs; returns the name of the result."""
    names = list(ctx.node.input)
    current: str = names[0]
    for index, name in enumerate(names[1:], start=1):
        last = index == len(names) - 1 and ctx.node.op_type != "Mean"
        shapes = [ctx.graph.tensors[n].shape for n in (current, name)]
        shape = np.broadcast_shapes(*shapes)
        suffix = None if last else f"{op.lower()}{index}"
        current = ctx.emit(op, [current, name], suffix, shape, suffix)
    return current


def variadic(ctx: Context, op: str) -> None:
    """Max, Min and Sum of any number of tensors."""
    if len(ctx.node.input) == 1:
        ctx.emit("Identity", [ctx.node.input[0]])
        return
    fold_left(ctx, op)


def mean(ctx: Context) -> None:
    """Mean: the sum, divided by how many."""
    total = fold_left(ctx, "Add")
    count = ctx.add_constant("count", np.array(len(ctx.node.input), ctx.out_dtype))
    ctx.emit("Div", [total, count])


def relu(ctx: Context) -> None:
    """Relu of other types than float32."""
    if ctx.tensor(0).dtype == np.float32:
        activation.relu(ctx)
        return
    zero = ctx.add_constant("zero", np.array(0, ctx.out_dtype))
    ctx.emit("Max", [ctx.node.input[0], zero])


def clip(ctx: Context) -> None:
    """Clip by bounds that are computed, or of other types than float32."""
    bounds = [index for index in (1, 2) if ctx.has(index)]
    if ctx.tensor(0).dtype == np.float32 and all(ctx.tensor(i).is_constant for i in bounds):
        activation.clip(ctx)
        return
    steps = [("Max", 1), ("Min", 2)]
    chosen = [(op, ctx.node.input[index]) for op, index in steps if index in bounds]
    current = ctx.node.input[0]
    for number, (op, bound) in enumerate(chosen, start=1):
        suffix = None if number == len(chosen) else op.lower()
        current = ctx.emit(op, [current, bound], suffix, ctx.tensor(0).shape, suffix)
    if not chosen:
        ctx.emit("Identity", [current])


IMPORTERS: dict[str, Importer] = {
    **dict.fromkeys(PLAIN, plain),
    "BitShift": bit_shift,
    "Clip": clip,
    "Elu": partial(with_constants, alpha=1.0),
    "IsInf": is_inf,
    "LeakyRelu": partial(with_constants, alpha=0.01),
    "Max": partial(variadic, op="Max"),
    "Mean": mean,
    "Min": partial(variadic, op="Min"),
    "Mod": mod,
    "PRelu": plain,
    "Pow": power,
    "Relu": relu,
    "Selu": partial(
        with_constants, alpha=1.67326319217681884765625, beta=0.0, gamma=1.05070102214813232421875
    ),
    "Shrink": partial(with_constants, lambd=0.5, bias=0.0),
    "Sum": partial(variadic, op="Add"),
    "ThresholdedRelu": partial(with_constants, alpha=1.0),
}

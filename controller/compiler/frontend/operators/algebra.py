"""Einsum, determinants and Fourier transforms."""

import re

import numpy as np

from controller.compiler.frontend.context import Context, Importer


def einsum(ctx: Context) -> None:
    """Einsum: labels become numbers, an ellipsis as many as it stands for."""
    equation = ctx.attrs["equation"].decode().replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(ctx.node.input) or len(terms) > 3 or not re.fullmatch(r"[A-Za-z.,]*", left + right):
        ctx.refuse(f'equation "{equation}" has no kernel', "use at most three operands")
    shapes = [ctx.tensor(index).shape for index in range(len(terms))]
    spread = [len(shape) - len(term.replace("...", "")) for term, shape in zip(terms, shapes, strict=True)]
    most = max((count for count, term in zip(spread, terms, strict=True) if "..." in term), default=0)
    if not arrow:
        letters = "".join(terms).replace(".", "")
        right = ("..." if most else "") + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    labels = [_labels(term, count, most) for term, count in zip(terms, spread, strict=True)]
    ctx.emit("Einsum", list(ctx.node.input), labels=labels, out_labels=_labels(right, most, most))


def _labels(term: str, spread: int, most: int) -> list[int]:
    """Letters by their code; dimensions of an ellipsis by negative numbers, aligned at the end."""
    head, dots, tail = term.partition("...")
    middle = range(-spread, 0) if dots else ()
    return [*map(ord, head), *(number if most else 0 for number in middle), *map(ord, tail)]


def det(ctx: Context) -> None:
    """Det."""
    ctx.emit("Det", [ctx.node.input[0]])


def dft(ctx: Context) -> None:
    """DFT; its axis is an attribute before opset 20 and an input since."""
    if ctx.opset >= 20 and ctx.has(2):
        axis = ctx.tensor(2).name
        if ctx.tensor(2).dtype != np.int64:
            axis = ctx.emit("Cast", [axis], "axis", ctx.tensor(2).shape, "axis", np.dtype(np.int64))
    else:
        value = -2 if ctx.opset >= 20 else int(ctx.attrs.get("axis", 1))
        axis = ctx.add_constant("axis", np.array(value, np.int64))
    size = int(ctx.constant(1, "its length").reshape(-1)[0]) if ctx.has(1) else 0
    inverse = bool(ctx.attrs.get("inverse", 0))
    ctx.emit("DFT", [ctx.node.input[0], axis], size=size, inverse=inverse)


def stft(ctx: Context) -> None:
    """STFT; how long a frame is shows in the window, or in the constant that says it."""
    inputs = [ctx.node.input[0], ctx.node.input[1]]
    onesided = bool(ctx.attrs.get("onesided", 1))
    if ctx.has(2):
        inputs.append(ctx.node.input[2])
        size = ctx.tensor(2).shape[0]
    elif ctx.has(3) and ctx.tensor(3).is_constant:
        size = int(ctx.constant(3, "its frame length").reshape(-1)[0])
    elif onesided:
        ctx.refuse("its frame length is computed at run time", "export the model with it as a constant")
    else:
        size = ctx.out_shape[2]
    ctx.emit("STFT", inputs, size=size)


IMPORTERS: dict[str, Importer] = {"DFT": dft, "Det": det, "Einsum": einsum, "STFT": stft}

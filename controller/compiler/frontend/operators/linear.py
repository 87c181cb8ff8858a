"""Gemm and MatMul: no transposition, no alpha, no beta, no vectors."""

import math

import numpy as np

from controller.compiler.frontend.context import Context, Importer
from controller.compiler.ir import FLOAT, Array, Shape


def gemm(ctx: Context) -> None:
    """Alpha · A' · B' + beta · C becomes a product with bias, and an Add where C is more than a bias."""
    alpha, beta = np.float32(ctx.attrs.get("alpha", 1.0)), np.float32(ctx.attrs.get("beta", 1.0))
    left = ctx.node.input[0]
    if ctx.attrs.get("transA", 0):
        rows, columns = ctx.tensor(0).shape
        left = ctx.emit("Transpose", [left], out="a", shape=(columns, rows), name="transpose_a", perm=[1, 0])
    right = _right(ctx, alpha)
    bias, addend = _addend(ctx, beta)
    inputs = [left, right] if bias is None else [left, right, bias]
    scaled = ctx.tensor(1).data is None and alpha != 1
    steps = ["product", *(["scale"] if scaled else []), *(["add"] if addend else [])]
    value = ctx.emit("Gemm", inputs, out=None if len(steps) == 1 else "product")
    if scaled:
        factor = ctx.add_constant("alpha", np.array(alpha))
        value = ctx.emit("Mul", [value, factor], out="scaled" if addend else None, name="alpha")
    if addend:
        ctx.emit("Add", [value, addend], name="add")


def _right(ctx: Context, alpha: np.float32) -> str:
    """B as [K, N], alpha folded into it where it is constant."""
    data, transposed = ctx.tensor(1).data, bool(ctx.attrs.get("transB", 0))
    if data is None:
        if not transposed:
            return str(ctx.node.input[1])
        rows, columns = ctx.tensor(1).shape
        return ctx.emit(
            "Transpose", [ctx.node.input[1]], out="b", shape=(columns, rows), name="transpose_b", perm=[1, 0]
        )
    if not transposed and alpha == 1:
        return str(ctx.node.input[1])
    return ctx.add_constant("weight", (data.T if transposed else data) * alpha)


def _addend(ctx: Context, beta: np.float32) -> tuple[str | None, str | None]:
    """C as a bias [N], or as a tensor to add; at most one of them."""
    if not ctx.has(2) or beta == 0:
        return None, None
    data, columns = ctx.tensor(2).data, ctx.out_shape[1]
    if data is None:
        if beta == 1:
            return None, ctx.node.input[2]
        factor = ctx.add_constant("beta", np.array(beta))
        shape = ctx.tensor(2).shape
        return None, ctx.emit("Mul", [ctx.node.input[2], factor], out="c", shape=shape, name="beta")
    scaled: Array = data * beta
    if data.ndim == 2 and data.shape[0] != 1:
        return None, ctx.add_constant("addend", scaled)
    return ctx.add_constant("bias", np.broadcast_to(scaled.reshape(-1), (columns,))), None


def matmul(ctx: Context) -> None:
    """MatMul; a vector becomes a matrix of one row or column, and the result loses that dimension again."""
    left, right = ctx.tensor(0), ctx.tensor(1)
    if left.dtype != FLOAT or not _is_one_batch(left.shape, right.shape):
        _general_matmul(ctx, left.shape, right.shape)
        return
    a, b = ctx.node.input[0], ctx.node.input[1]
    if len(left.shape) == 1:
        a = ctx.emit("Reshape", [a], out="a", shape=(1, *left.shape), name="row")
    if len(right.shape) == 1:
        if right.data is not None:
            b = ctx.add_constant("column", right.data[:, None])
        else:
            b = ctx.emit("Reshape", [b], out="b", shape=(*right.shape, 1), name="column")
    first, second = ctx.graph.tensors[a].shape, ctx.graph.tensors[b].shape
    full = (*np.broadcast_shapes(first[:-2], second[:-2]), first[-2], second[-1])
    if (a, b) == (ctx.node.input[0], ctx.node.input[1]):
        ctx.emit("MatMul", [a, b])
        return
    product = ctx.emit("MatMul", [a, b], out="product", shape=full)
    ctx.emit("Reshape", [product], name="vector")


def _is_one_batch(first: Shape, second: Shape) -> bool:
    """Whether each operand has all matrices of the batch, or one."""
    batch = math.prod(np.broadcast_shapes(first[:-2], second[:-2]))
    return {math.prod(first[:-2]), math.prod(second[:-2])} <= {1, batch}


def _general_matmul(ctx: Context, first: Shape, second: Shape) -> None:
    """Any type, any broadcasting, as an Einsum: batches by numbers below zero, counted from the end."""
    # A vector has no row, or no column.
    row, column = ([ord(name)][: len(shape) - 1] for name, shape in (("m", first), ("n", second)))
    ends = ([*row, ord("k")], [ord("k"), *column])
    labels = [[*range(2 - len(shape), 0), *end] for shape, end in zip((first, second), ends, strict=True)]
    batch = max(len(first), len(second)) - 2
    out_labels = [*range(-batch, 0), *row, *column]
    ctx.emit("Einsum", [ctx.tensor(0).name, ctx.tensor(1).name], labels=labels, out_labels=out_labels)


IMPORTERS: dict[str, Importer] = {"Gemm": gemm, "MatMul": matmul}

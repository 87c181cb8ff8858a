"""Operators that read or write where indices say, and those whose output is as large as data say."""

import math

import numpy as np

from controller.compiler.frontend.context import Context, Importer
from controller.compiler.ir import Node, Shape, Tensor

_INT64 = np.dtype(np.int64)


def _axis(ctx: Context, default: int = 0) -> int:
    return ctx.axis(int(ctx.attrs.get("axis", default)), len(ctx.tensor(0).shape))


def _indices(ctx: Context, index: int) -> str:
    """An input of indices as int64."""
    tensor = ctx.tensor(index)
    if tensor.dtype == _INT64:
        return tensor.name
    return ctx.emit("Cast", [tensor.name], "indices", tensor.shape, "indices", _INT64)


def gather(ctx: Context) -> None:
    """Gather and GatherElements."""
    ctx.emit(ctx.node.op_type, list(ctx.node.input), axis=_axis(ctx))


def gather_nd(ctx: Context) -> None:
    """GatherND."""
    inputs = [ctx.node.input[0], _indices(ctx, 1)]
    ctx.emit("GatherND", inputs, batch_dims=int(ctx.attrs.get("batch_dims", 0)))


def _reduction(ctx: Context) -> str:
    return str(ctx.attrs.get("reduction", b"none").decode())


def scatter_elements(ctx: Context) -> None:
    """ScatterElements, and Scatter, its old name."""
    ctx.emit("ScatterElements", list(ctx.node.input), axis=_axis(ctx), reduction=_reduction(ctx))


def scatter_nd(ctx: Context) -> None:
    """ScatterND."""
    inputs = [ctx.node.input[0], _indices(ctx, 1), ctx.node.input[2]]
    ctx.emit("ScatterND", inputs, reduction=_reduction(ctx))


def one_hot(ctx: Context) -> None:
    """OneHot; the depth shows in the output's shape."""
    rank = len(ctx.tensor(0).shape) + 1
    axis = ctx.axis(int(ctx.attrs.get("axis", -1)), rank)
    ctx.emit("OneHot", [ctx.node.input[0], ctx.node.input[2]], axis=axis)


def top_k(ctx: Context) -> None:
    """TopK; how many shows in the output's shape."""
    x = ctx.tensor(0)
    shape = ctx.out_shape
    names = [name or ctx.graph.fresh(f"{ctx.node.name}/unused") for name in ctx.node.output]
    names += [ctx.graph.fresh(f"{ctx.node.name}/indices")] * (2 - len(names))
    ctx.graph.tensors[names[0]] = Tensor(names[0], x.dtype, shape)
    ctx.graph.tensors[names[1]] = Tensor(names[1], _INT64, shape)
    attrs = {"axis": _axis(ctx, -1), "largest": bool(ctx.attrs.get("largest", 1))}
    ctx.graph.nodes.append(Node(ctx.node.name, "TopK", [x.name], names, attrs))


def sized(ctx: Context, op: str, inputs: list[str], shape: Shape, **attrs: object) -> None:
    """An operator that tells the size of its output in a second one."""
    dims = ctx.graph.fresh(f"{ctx.node.name}/dims")
    ctx.graph.tensors[ctx.out] = Tensor(ctx.out, ctx.out_dtype, shape)
    ctx.graph.tensors[dims] = Tensor(dims, np.dtype(np.int32), (len(shape),))
    ctx.graph.nodes.append(Node(ctx.node.name, op, inputs, [ctx.out, dims], attrs))
    ctx.size_depends_on_data(ctx.out, dims)


def compress(ctx: Context) -> None:
    """Compress."""
    x = ctx.tensor(0)
    axis = _axis(ctx) if "axis" in ctx.attrs else None
    most = min(x.size if axis is None else x.shape[axis], ctx.tensor(1).size)
    shape = (most,) if axis is None else (*x.shape[:axis], most, *x.shape[axis + 1 :])
    sized(ctx, "Compress", list(ctx.node.input), shape, axis=axis)


def non_zero(ctx: Context) -> None:
    """NonZero."""
    x = ctx.tensor(0)
    sized(ctx, "NonZero", [x.name], (len(x.shape), math.prod(x.shape)))


def unique(ctx: Context) -> None:
    """Unique: values, where each stood first, which each element is, and how often."""
    x = ctx.tensor(0)
    axis = _axis(ctx) if "axis" in ctx.attrs else None
    length = x.size if axis is None else x.shape[axis]
    names = [*ctx.node.output, *[""] * (4 - len(ctx.node.output))]
    suffixes = ("values", "first", "inverse", "counts")
    names = [n or ctx.graph.fresh(f"{ctx.node.name}/{s}") for n, s in zip(names, suffixes, strict=True)]
    dims = [ctx.graph.fresh(f"{ctx.node.name}/{which}") for which in ("shape", "length")]
    shape = (length,) if axis is None else x.shape
    ctx.graph.tensors[names[0]] = Tensor(names[0], x.dtype, shape)
    for name in names[1:]:
        ctx.graph.tensors[name] = Tensor(name, _INT64, (length,))
    for name, rank in zip(dims, (len(shape), 1), strict=True):
        ctx.graph.tensors[name] = Tensor(name, np.dtype(np.int32), (rank,))
    attrs = {"axis": axis, "sorted": bool(ctx.attrs.get("sorted", 1))}
    ctx.graph.nodes.append(Node(ctx.node.name, "Unique", [x.name], [*names, *dims], attrs))
    ctx.size_depends_on_data(names[0], dims[0])
    ctx.size_depends_on_data(names[1], dims[1])
    ctx.size_depends_on_data(names[3], dims[1])


IMPORTERS: dict[str, Importer] = {
    "Compress": compress,
    "Gather": gather,
    "GatherElements": gather,
    "GatherND": gather_nd,
    "NonZero": non_zero,
    "OneHot": one_hot,
    "Scatter": scatter_elements,
    "ScatterElements": scatter_elements,
    "ScatterND": scatter_nd,
    "TopK": top_k,
    "Unique": unique,
}

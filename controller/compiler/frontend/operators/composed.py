"""Operators that are written with others of the graph, because ONNX does not say how."""

import math

import numpy as np

from controller.compiler.frontend.context import Context, Importer
from controller.compiler.frontend.operators import normalization
from controller.compiler.ir import Shape

_INT64 = np.dtype(np.int64)
_BOOL = np.dtype(np.bool_)


class Writer:
    """Writes node after node of one ONNX node."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx

    def shape(self, name: str) -> Shape:
        """Shape of a tensor."""
        return self.ctx.graph.tensors[name].shape

    def constant(self, value: float, like: str) -> str:
        """A scalar of the type of another tensor."""
        return self.ctx.add_constant("constant", np.array(value, self.ctx.graph.tensors[like].dtype))

    def pair(self, op: str, a: str, b: str, *, last: bool = False) -> str:
        """An operator on two tensors, with broadcasting."""
        shape = np.broadcast_shapes(self.shape(a), self.shape(b))
        if last:
            return self.ctx.emit(op, [a, b], shape=shape)
        return self.ctx.emit(op, [a, b], op.lower(), shape, op.lower())

    def single(self, op: str, x: str) -> str:
        """An operator on one tensor."""
        return self.ctx.emit(op, [x], op.lower(), self.shape(x), op.lower())

    def reduce(self, op: str, x: str, axes: list[int]) -> str:
        """A reduction that keeps its dimensions as 1."""
        shape = tuple(1 if axis in axes else size for axis, size in enumerate(self.shape(x)))
        return self.ctx.emit(op, [x], op.lower(), shape, op.lower(), axes=axes)

    def reshape(self, x: str, shape: Shape) -> str:
        """The same elements in another shape."""
        if self.shape(x) == shape:
            return x
        return self.ctx.emit("Reshape", [x], "reshaped", shape, "reshape")


def hardmax(ctx: Context) -> None:
    """Hardmax: 1 at the first maximum, 0 elsewhere."""
    write, x = Writer(ctx), ctx.tensor(0)
    rank = len(x.shape)
    axis = ctx.axis(int(ctx.attrs.get("axis", -1 if ctx.opset >= 13 else 1)), rank)
    name, shape = x.name, x.shape
    if ctx.opset < 13:
        shape, axis = (math.prod(shape[:axis]), math.prod(shape[axis:])), 1
        name = write.reshape(name, shape)
    kept = tuple(1 if d == axis else size for d, size in enumerate(shape))
    where = ctx.emit("ArgMax", [name], "where", kept, "where", _INT64, axis=axis, select_last_index=False)
    places = np.arange(shape[axis]).reshape([-1 if d == axis else 1 for d in range(len(shape))])
    equal = ctx.emit("Equal", [where, ctx.add_constant("places", places)], "equal", shape, "equal", _BOOL)
    if shape == ctx.out_shape:
        ctx.emit("Cast", [equal])
        return
    result = ctx.emit("Cast", [equal], "ones", shape, "cast", ctx.out_dtype)
    ctx.emit("Reshape", [result], name="unflatten")


def lp_normalization(ctx: Context) -> None:
    """LpNormalization; where the norm is 0 the result is 0."""
    write, x = Writer(ctx), ctx.tensor(0)
    axis = ctx.axis(int(ctx.attrs.get("axis", -1)), len(x.shape))
    norm = write.reduce("ReduceL1" if ctx.attrs.get("p", 2) == 1 else "ReduceL2", x.name, [axis])
    zero = write.constant(0.0, x.name)
    shape = write.shape(norm)
    is_zero = ctx.emit("Equal", [norm, zero], "iszero", shape, "iszero", _BOOL)
    one = write.constant(1.0, x.name)
    divisor = ctx.emit("Where", [is_zero, one, norm], "divisor", shape, "divisor", x.dtype)
    write.pair("Div", x.name, divisor, last=True)


def instance_normalization(ctx: Context) -> None:
    """InstanceNormalization: over the positions of each map."""
    write, x = Writer(ctx), ctx.tensor(0)
    axes = list(range(2, len(x.shape)))
    mean = write.reduce("ReduceMean", x.name, axes)
    centred = write.pair("Sub", x.name, mean)
    variance = write.reduce("ReduceMean", write.pair("Mul", centred, centred), axes)
    _scale_and_shift(ctx, write, centred, variance, (ctx.node.input[1], ctx.node.input[2]))


def _scale_and_shift(
    ctx: Context, write: Writer, centred: str, variance: str, parameters: tuple[str, str]
) -> None:
    """(x - mean) / sqrt(variance + epsilon) · scale + bias, per channel."""
    rank = len(ctx.tensor(0).shape)
    epsilon = write.constant(float(ctx.attrs.get("epsilon", 1e-5)), centred)
    deviation = write.single("Sqrt", write.pair("Add", variance, epsilon))
    wide = (-1, *(1,) * (rank - 2))
    scale, bias = (write.reshape(name, (write.shape(name)[0], *wide[1:])) for name in parameters)
    scaled = write.pair("Mul", write.pair("Div", centred, deviation), scale)
    write.pair("Add", scaled, bias, last=True)


def batch_normalization(ctx: Context) -> None:
    """BatchNormalization; with known statistics it is an affine map, which folds into its neighbours."""
    training = bool(ctx.attrs.get("training_mode", 0))
    known = all(ctx.tensor(index).is_constant for index in range(1, 5))
    if known and not training and ctx.tensor(0).dtype == np.float32:
        normalization.batch_normalization(ctx)
        return
    write, x = Writer(ctx), ctx.tensor(0)
    rank = len(x.shape)
    axes = [axis for axis in range(rank) if axis != 1]
    wide = (x.shape[1], *(1,) * (rank - 2))
    if training:
        mean = write.reduce("ReduceMean", x.name, axes)
        centred = write.pair("Sub", x.name, mean)
        variance = write.reduce("ReduceMean", write.pair("Mul", centred, centred), axes)
        for index, new in ((1, mean), (2, variance)):
            if index < len(ctx.node.output) and ctx.node.output[index]:
                _running(ctx, write, index, new)
    else:
        mean, variance = (write.reshape(ctx.node.input[index], wide) for index in (3, 4))
        centred = write.pair("Sub", x.name, mean)
    _scale_and_shift(ctx, write, centred, variance, (ctx.node.input[1], ctx.node.input[2]))


def _running(ctx: Context, write: Writer, index: int, new: str) -> None:
    """Old · momentum + new · (1 - momentum), an output of BatchNormalization in training."""
    momentum = float(ctx.attrs.get("momentum", 0.9))
    channels = write.shape(ctx.node.input[index + 2])
    flat = write.reshape(new, channels)
    kept = write.pair("Mul", ctx.node.input[index + 2], write.constant(momentum, flat))
    added = write.pair("Mul", flat, write.constant(1.0 - momentum, flat))
    ctx.emit_to(ctx.node.output[index], "Add", [kept, added], f"running{index}")


def dropout(ctx: Context) -> None:
    """Dropout at inference: nothing is dropped, and the mask says so."""
    if ctx.has(2):
        training = ctx.tensor(2).data
        ratio = ctx.tensor(1).data if ctx.has(1) else np.array(0.5)
        if training is None or (bool(training) and (ratio is None or float(ratio) > 0)):
            ctx.refuse("in training it is random", "export with model.eval()")
    ctx.emit("Identity", [ctx.node.input[0]])
    if len(ctx.node.output) > 1 and ctx.node.output[1]:
        name = ctx.node.output[1]
        dtype, shape = ctx.types[name]
        mask = ctx.add_constant("mask", np.ones(shape or (), dtype))
        ctx.emit_to(name, "Identity", [mask], "mask")


def affine_grid(ctx: Context) -> None:
    """AffineGrid: theta times (x, y, 1) or (x, y, z, 1); the sizes show in the output's shape."""
    write, theta = Writer(ctx), ctx.tensor(0)
    shape = ctx.out_shape
    rank = len(shape) - 2
    columns = []
    for k in range(rank + 1):
        index = ctx.add_constant("column", np.array(k, np.int64))
        name = ctx.emit("Gather", [theta.name, index], "column", theta.shape[:2], "column", axis=2)
        columns.append(write.reshape(name, (shape[0], *(1,) * rank, rank)))
    result = columns[rank]
    for k in range(rank):
        # Coordinates stand innermost dimension first: x runs along the last one.
        size = shape[rank - k]
        places = np.arange(size) * 2.0
        unit = places / max(size - 1, 1) - 1 if ctx.attrs.get("align_corners", 0) else (places + 1) / size - 1
        along = [1] * (rank + 2)
        along[rank - k] = size
        axis = ctx.add_constant("places", unit.astype(theta.dtype).reshape(along))
        term = write.pair("Mul", axis, columns[k])
        result = write.pair("Add", result, term, last=k == rank - 1)


IMPORTERS: dict[str, Importer] = {
    "AffineGrid": affine_grid,
    "BatchNormalization": batch_normalization,
    "Dropout": dropout,
    "Hardmax": hardmax,
    "InstanceNormalization": instance_normalization,
    "LpNormalization": lp_normalization,
}

"""LSTM, GRU and RNN: for each direction one product of the whole sequence with its weights, then one node."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from controller.compiler.errors import BrokenModelError
from controller.compiler.frontend.context import Context, Importer
from controller.compiler.ir import FLOAT, Node, Shape, Tensor

_INT32 = np.dtype(np.int32)
_DEFAULTS: dict[str, tuple[float | None, float | None]] = {
    "affine": (1.0, 0.0),
    "elu": (1.0, None),
    "hardsigmoid": (0.2, 0.5),
    "leakyrelu": (0.01, None),
    "relu": (None, None),
    "scaledtanh": (1.0, 1.0),
    "sigmoid": (None, None),
    "softplus": (None, None),
    "softsign": (None, None),
    "tanh": (None, None),
    "thresholdedrelu": (1.0, None),
}
"""alpha and beta of an activation where the model does not give them; None: it has none."""


@dataclass(frozen=True)
class _Cell:
    """What one operator consists of.

    Attributes:
        gates: How many products with weights it has.
        activations: Those it has by default, in ONNX's order.
        carried: Tensors that it hands on from step to step.
    """

    op: str
    gates: int
    activations: tuple[str, ...]
    carried: tuple[str, ...]


_CELLS = {
    cell.op: cell
    for cell in (
        _Cell("GRU", 3, ("Sigmoid", "Tanh"), ("h",)),
        _Cell("LSTM", 4, ("Sigmoid", "Tanh", "Tanh"), ("h", "c")),
        _Cell("RNN", 1, ("Tanh",), ("h",)),
    )
}
# Inputs of the ONNX operators.
_X, _W, _R, _B, _LENGTHS, _H, _C, _P = range(8)


def _activations(ctx: Context, cell: _Cell, directions: int) -> list[list[list[Any]]]:
    """For each direction [name, alpha, beta] of each activation."""
    names = [name.decode() for name in ctx.attrs.get("activations", [])]
    names = names or [*cell.activations] * directions
    if len(names) != directions * len(cell.activations):
        ctx.refuse(f"it has {len(names)} activations, {directions * len(cell.activations)} are needed")
    alphas, betas = (iter(ctx.attrs.get(key, [])) for key in ("activation_alpha", "activation_beta"))
    found = []
    for name in names:
        if name.lower() not in _DEFAULTS:
            ctx.refuse(f"the activation {name} has no kernel", f"one of {', '.join(sorted(_DEFAULTS))}")
        alpha, beta = _DEFAULTS[name.lower()]
        # Each number of the lists belongs to the next activation that takes one.
        alpha = 0.0 if alpha is None else float(next(alphas, alpha))
        beta = 0.0 if beta is None else float(next(betas, beta))
        found.append([name.lower(), alpha, beta])
    size = len(cell.activations)
    return [found[index * size : (index + 1) * size] for index in range(directions)]


class _Recurrence:
    """One ONNX node on its way into the graph."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.cell = _CELLS[ctx.node.op_type]
        x, hidden = ctx.tensor(_X), ctx.tensor(_R).shape[-1:]
        self.dtype = x.dtype
        self.batchwise = bool(ctx.attrs.get("layout", 0))
        self.steps, self.batch = (x.shape[1], x.shape[0]) if self.batchwise else x.shape[:2]
        self.features, self.hidden = x.shape[2], int(ctx.attrs.get("hidden_size", *hidden))
        given = ctx.attrs.get("direction", b"forward").decode()
        self.reversed = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[given]
        self.directions = len(self.reversed)
        self._check_shapes()

    def _check_shapes(self) -> None:
        """Kernels read as many elements as these shapes say."""
        directions, hidden, width = self.directions, self.hidden, self.cell.gates * self.hidden
        carried = (self.batch, directions, hidden) if self.batchwise else (directions, self.batch, hidden)
        shapes: dict[int, Shape] = {
            _W: (directions, width, self.features),
            _R: (directions, width, hidden),
            _B: (directions, 2 * width),
            _LENGTHS: (self.batch,),
            _H: carried,
            _C: carried,
            _P: (directions, 3 * hidden),
        }
        for index, shape in shapes.items():
            if self.ctx.has(index) and self.ctx.tensor(index).shape != shape:
                name, found = self.ctx.node.input[index], list(self.ctx.tensor(index).shape)
                raise BrokenModelError(
                    f"node {self.ctx.node.name} ({self.cell.op}): {name} is {found}; its other inputs and "
                    f"attributes ask for {list(shape)}",
                    where=self.ctx.where,
                    remedy="export the model again",
                )

    def write(self) -> None:
        ctx = self.ctx
        activations = _activations(ctx, self.cell, self.directions)
        x = ctx.node.input[_X]
        if self.batchwise:
            shape = (self.steps, self.batch, self.features)
            x = self._node("Transpose", [x], "x", shape, perm=[1, 0, 2])
        made = [
            self._direction(index, x, activations[index], reverse=backwards)
            for index, backwards in enumerate(self.reversed)
        ]
        y, *last = zip(*made, strict=True)
        # One direction is [steps, batch, hidden]; ONNX wants a dimension of directions.
        self._join(0, list(y), (self.steps, 1, self.batch, self.hidden), 1, [2, 0, 1, 3])
        for output, parts in enumerate(last, 1):
            self._join(output, list(parts), (1, self.batch, self.hidden), 0, [1, 0, 2])

    def _direction(
        self, index: int, x: str, activations: list[list[Any]], *, reverse: bool
    ) -> tuple[str, ...]:
        """The node of one direction; names of its outputs."""
        ctx, cell = self.ctx, self.cell
        inputs = [self._gates(index, x), self._matrix(_R, index)]
        inputs += [self._initial(_H + place, index) for place in range(len(cell.carried))]
        inputs.append(self._lengths())
        attrs: dict[str, Any] = {
            "reverse": reverse,
            "activations": activations,
            "clip": float(np.float32(ctx.attrs.get("clip", np.inf))),
        }
        if cell.op == "LSTM":
            attrs["input_forget"] = bool(ctx.attrs.get("input_forget", 0))
            if ctx.has(_P):
                inputs.append(self._part(_P, index, 0, 3 * self.hidden, "peepholes"))
        if cell.op == "GRU":
            attrs["linear_before_reset"] = bool(ctx.attrs.get("linear_before_reset", 0))
            if attrs["linear_before_reset"]:
                inputs.append(self._hidden_bias(index))
        names = []
        for what in ("y", *cell.carried):
            shape = (self.batch, self.hidden)
            names.append(ctx.graph.fresh(f"{ctx.node.name}/{what}{index}"))
            full = (self.steps, *shape) if what == "y" else shape
            ctx.graph.tensors[names[-1]] = Tensor(names[-1], self.dtype, full)
        name = ctx.node.name if index == 0 else ctx.graph.fresh(f"{ctx.node.name}/reverse")
        ctx.graph.nodes.append(Node(name, cell.op, inputs, names, attrs))
        return tuple(names)

    def _gates(self, index: int, x: str) -> str:
        """X · W' + bias, for all steps at once."""
        width = self.cell.gates * self.hidden
        shape = (self.steps, self.batch, width)
        weights = self._matrix(_W, index)
        bias = self._bias(index)
        if self.dtype == FLOAT and bias is not None and self.ctx.graph.tensors[bias].is_constant:
            return self._node("MatMul", [x, weights, bias], "gates", shape)
        if self.dtype == FLOAT:
            product = self._node("MatMul", [x, weights], "product", shape)
        else:
            labels = [[ord("t"), ord("b"), ord("i")], [ord("i"), ord("g")]]
            out = [ord("t"), ord("b"), ord("g")]
            product = self._node("Einsum", [x, weights], "product", shape, labels=labels, out_labels=out)
        return product if bias is None else self._node("Add", [product, bias], "gates", shape)

    def _bias(self, index: int) -> str | None:
        """Both biases of the gates in one; without that of a hidden gate that is reset afterwards."""
        if not self.ctx.has(_B):
            return None
        width = self.cell.gates * self.hidden
        outer, inner = (
            self._part(_B, index, begin, width, name) for begin, name in ((0, "wb"), (width, "rb"))
        )
        first, second = self.ctx.graph.tensors[outer].data, self.ctx.graph.tensors[inner].data
        kept = np.ones(width, self.dtype)
        if self.ctx.attrs.get("linear_before_reset", 0):
            kept[2 * self.hidden :] = 0
        if first is not None and second is not None:
            return self.ctx.add_constant(
                f"bias{index}", first + np.where(kept == 1, second, 0).astype(self.dtype)
            )
        if not kept.all():
            mask = self.ctx.add_constant(f"mask{index}", kept)
            inner = self._node("Mul", [inner, mask], "rb", (width,))
        return self._node("Add", [outer, inner], "bias", (width,))

    def _hidden_bias(self, index: int) -> str:
        if not self.ctx.has(_B):
            return self.ctx.add_constant(f"hidden_bias{index}", np.zeros(self.hidden, self.dtype))
        return self._part(_B, index, 5 * self.hidden, self.hidden, "hidden_bias")

    def _part(self, source: int, index: int, begin: int, size: int, name: str) -> str:
        """Elements of one direction of an input [directions, n]."""
        tensor = self.ctx.tensor(source)
        if tensor.data is not None:
            return self.ctx.add_constant(f"{name}{index}", tensor.data[index, begin : begin + size])
        sliced = self._node(
            "Slice", [tensor.name], f"{name}_row", (1, size), starts=[index, begin], steps=[1, 1]
        )
        return self._node("Reshape", [sliced], name, (size,))

    def _matrix(self, source: int, index: int) -> str:
        """Weights [inputs, gates · hidden] of one direction."""
        tensor, name = self.ctx.tensor(source), "wr"[source == _R]
        if tensor.data is not None:
            return self.ctx.add_constant(f"{name}{index}", np.ascontiguousarray(tensor.data[index].T))
        one = (1, *tensor.shape[1:])
        sliced = self._node(
            "Slice", [tensor.name], f"{name}_part", one, starts=[index, 0, 0], steps=[1, 1, 1]
        )
        flat = self._node("Reshape", [sliced], f"{name}_rows", one[1:])
        return self._node("Transpose", [flat], name, one[:0:-1], perm=[1, 0])

    def _initial(self, source: int, index: int) -> str:
        """The first value of what is carried, [batch, hidden]; zeros unless given."""
        ctx, shape = self.ctx, (self.batch, self.hidden)
        if not ctx.has(source):
            return ctx.add_constant(f"initial{source}", np.zeros(shape, self.dtype))
        name, starts = ctx.tensor(source).name, [index, 0, 0]
        part: Shape = (1, *shape)
        if self.batchwise:
            starts, part = [0, index, 0], (self.batch, 1, self.hidden)
        if self.directions > 1:
            name = self._node("Slice", [name], "first_part", part, starts=starts, steps=[1, 1, 1])
        return self._node("Reshape", [name], "first", shape)

    def _lengths(self) -> str:
        ctx = self.ctx
        if not ctx.has(_LENGTHS):
            return ctx.add_constant("lengths", np.full(self.batch, self.steps, _INT32))
        return str(ctx.node.input[_LENGTHS])

    def _join(self, output: int, parts: list[str], shape: Shape, axis: int, perm: list[int]) -> None:
        """One ONNX output from what each direction made of it."""
        if output >= len(self.ctx.node.output) or not self.ctx.node.output[output]:
            return
        name = self.ctx.node.output[output]
        parts = [self._node("Reshape", [part], "part", shape) for part in parts]
        full = tuple(size * (self.directions if d == axis else 1) for d, size in enumerate(shape))
        whole = parts[0]
        if len(parts) > 1:
            whole = self._node("Concat", parts, "whole", full, axis=axis)
        op, attrs = ("Transpose", {"perm": perm}) if self.batchwise else ("Identity", {})
        final = tuple(full[d] for d in perm) if self.batchwise else full
        self.ctx.graph.tensors[name] = Tensor(name, self.dtype, final)
        label = self.ctx.graph.fresh(f"{self.ctx.node.name}/output")
        self.ctx.graph.nodes.append(Node(label, op, [whole], [name], attrs))

    def _node(self, op: str, inputs: list[str], name: str, shape: Shape, **attrs: Any) -> str:
        return self.ctx.emit(op, inputs, name, shape, name, self.dtype, **attrs)


def recurrent(ctx: Context) -> None:
    """LSTM, GRU and RNN."""
    _Recurrence(ctx).write()


IMPORTERS: dict[str, Importer] = dict.fromkeys(_CELLS, recurrent)

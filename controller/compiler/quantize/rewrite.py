"""Rewrites the float graph with int8 tensors.

A tensor keeps its name in the form in which it is stored; where both forms are needed, the float32 one is
`<name>/float32`, and QuantizeLinear or DequantizeLinear stands between them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from controller.compiler.errors import CalibrationError
from controller.compiler.ir import FLOAT, INT8, Array, Graph, Node, Quant, Tensor
from controller.compiler.quantize.choose import Plan, choose
from controller.compiler.quantize.functions import (
    quantize_array,
    softmax_table,
    unary_function,
    unary_table,
)
from controller.compiler.quantize.means import PRODUCTS
from controller.compiler.quantize.observe import Calibration
from controller.compiler.quantize.ranges import to_quant

_NAMED = 3


@dataclass(frozen=True)
class Quantization:
    """What was done.

    Attributes:
        graph: The int8 graph.
        int8: Names of the layers in int8.
        kept: Name of each layer left in float32, and why.
    """

    graph: Graph
    int8: tuple[str, ...]
    kept: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """One line, as `fleet build` shows it."""
        groups: dict[str, list[str]] = {}
        for name, reason in self.kept.items():
            groups.setdefault(reason, []).append(name)
        kept = "; ".join(f"{_some(names)}: {reason}" for reason, names in groups.items())
        return f"{len(self.int8)} layers int8, {len(self.kept)} float32{f' ({kept})' if kept else ''}"


def _some(names: Sequence[str]) -> str:
    """All of a few names; of many only how many there are."""
    return ", ".join(names) if len(names) <= _NAMED else f"{len(names)} layers"


def quantize(
    graph: Graph,
    calibration: Calibration,
    keep_float: Mapping[str, str] | None = None,
    operators: Sequence[str] | None = None,
    weight_bits: int = 8,
) -> Quantization:
    """Quantize what has an int8 form and a known range.

    Args:
        graph: After the float passes; it is not changed.
        calibration: From `calibrate`.
        keep_float: Names of nodes to leave in float32, each with the reason.
        operators: The operators that may become int8, for example Conv and MatMul; None for all.
        weight_bits: 8, or 7, see `choose`.

    Raises:
        CalibrationError: A float input of the graph has no range, or `keep_float` names no layer.
    """
    keep_float = keep_float or {}
    names = {node.name for node in graph.nodes}
    unknown = [name for name in keep_float if name not in names]
    if unknown:
        raise CalibrationError(
            f"keep_float names {unknown[0]}, which is not a layer",
            where=graph.name,
            remedy=f"layers after fusion: {', '.join(sorted(names))}",
        )
    plan = choose(graph, calibration, keep_float, operators, weight_bits)
    result = rewrite(graph, plan)
    int8 = tuple(node.name for node in graph.nodes if node.name in plan.int8)
    return Quantization(result, int8, plan.kept)


def rewrite(graph: Graph, plan: Plan) -> Graph:
    """The graph with int8 tensors where the plan says so."""
    writer = _Writer(graph, plan)
    for node in graph.nodes:
        writer.write(node)
    return writer.finish()


class _Writer:
    def __init__(self, graph: Graph, plan: Plan) -> None:
        self._old, self._plan = graph, plan
        self._new = Graph(graph.name, list(graph.inputs), list(graph.outputs), dims=dict(graph.dims))
        self._both = self._needs_int8()
        for name in graph.inputs:
            tensor = graph.tensors[name]
            self._new.tensors[name] = (
                self._int8(name) if name in plan.quants else Tensor(name, tensor.dtype, tensor.shape)
            )
        for name in graph.state:
            self._keep_float(name)

    def _needs_int8(self) -> set[str]:
        """Tensors that some layer, or the caller, wants as int8."""
        if self._plan.rounds:
            return set(self._plan.quants)
        wanted = {
            name
            for node in self._old.nodes
            if node.name in self._plan.int8
            for name in node.inputs
            if name in self._plan.quants
        }
        return wanted | (self._plan.quants.keys() & {*self._old.inputs, *self._old.outputs})

    def _int8(self, name: str) -> Tensor:
        return Tensor(name, INT8, self._old.tensors[name].shape, self._plan.quants[name])

    def _float_name(self, name: str) -> str:
        int8 = name in self._both or name in self._plan.made
        return f"{name}/float32" if int8 else name

    def _keep_float(self, name: str) -> None:
        """A tensor as it was, and its int8 form where somebody wants that."""
        tensor, target = self._old.tensors[name], self._made_float(name)
        self._new.tensors[target] = Tensor(target, tensor.dtype, tensor.shape)
        if target != name:
            self._new.tensors[name] = self._int8(name)
            self._new.nodes.append(Node(f"{name}/QuantizeLinear", "QuantizeLinear", [target], [name]))

    def _made_float(self, name: str) -> str:
        """Under which name a float layer makes a tensor."""
        target = self._float_name(name)
        return f"{name}/unrounded" if target != name and self._plan.rounds else target

    def write(self, node: Node) -> None:
        if node.name in self._plan.int8:
            self._write_int8(node)
        else:
            self._write_float(node)

    # float32

    def _write_float(self, node: Node) -> None:
        inputs = [self._as_float(name) for name in node.inputs]
        outputs = [self._made_float(name) for name in node.outputs]
        self._new.nodes.append(Node(node.name, node.op, inputs, outputs, dict(node.attrs)))
        for name in node.outputs:
            self._keep_float(name)

    def _as_float(self, name: str) -> str:
        tensor = self._old.tensors[name]
        target = self._float_name(name)
        if target in self._new.tensors:
            return target
        if tensor.is_constant:
            self._new.tensors[name] = Tensor(name, tensor.dtype, tensor.shape, data=tensor.data)
            return name
        self._new.tensors[target] = Tensor(target, FLOAT, tensor.shape)
        self._new.nodes.append(Node(f"{name}/DequantizeLinear", "DequantizeLinear", [name], [target]))
        return target

    # int8

    def _write_int8(self, node: Node) -> None:
        if len(node.outputs) > 1:
            self._write_copies(node)
            return
        out = self._int8(node.output)
        attrs = {key: value for key, value in node.attrs.items() if key != "clamp"}
        constants = [self._old.constant(name) for name in node.inputs]
        op, inputs = node.op, [node.inputs[0]]
        function = unary_function(node, constants)
        if function is not None:
            x = next(name for name, data in zip(node.inputs, constants, strict=True) if data is None)
            table = unary_table(function, self._plan.quants[x], out.scaling)
            op, attrs = "Table", {"function": node.op}
            inputs = [x, self._new.add_constant(f"{node.name}/table", table)]
        elif node.op in PRODUCTS:
            inputs = self._weights(node)
        elif node.op == "Softmax":
            x_quant = self._plan.quants[node.inputs[0]]
            length = self._old.tensors[node.inputs[0]].shape[node.attrs["axis"]]
            inputs.append(
                self._new.add_constant(f"{node.name}/table", softmax_table(float(x_quant.s), length))
            )
        elif node.op == "Concat":
            inputs = [self._requantized(node, name, out.scaling) for name in node.inputs]
        else:
            inputs = [self._operand(node, name) for name in node.inputs]
        if function is None and "clamp" in node.attrs:
            low, high = (int(bound) for bound in quantize_array(np.array(node.attrs["clamp"]), out.scaling))
            if (low, high) != (-128, 127):
                attrs["clamp"] = [low, high]
        self._new.tensors[out.name] = out
        self._new.nodes.append(Node(node.name, op, inputs, [out.name], attrs))

    def _write_copies(self, node: Node) -> None:
        """An operator that moves elements to several outputs."""
        for name in node.outputs:
            self._new.tensors[name] = self._int8(name)
        self._new.nodes.append(
            Node(node.name, node.op, list(node.inputs), list(node.outputs), dict(node.attrs))
        )

    def _weights(self, node: Node) -> list[str]:
        weights = self._plan.weights[node.name]
        kernel = self._new.add_constant(node.inputs[1], weights.weight, weights.weight_quant)
        bias_name = node.inputs[2] if len(node.inputs) > 2 else f"{node.name}/bias"
        bias = self._new.add_constant(bias_name, weights.bias, weights.bias_quant)
        return [node.inputs[0], kernel, bias]

    def _operand(self, node: Node, name: str) -> str:
        """An input of an elementwise operator: an activation, or a constant with a scale of its own."""
        data = self._old.constant(name)
        if data is None or data.dtype != FLOAT:
            return self._as_is(name)
        quant = to_quant(float(data.min()), float(data.max()))
        return self._new.add_constant(f"{node.name}/constant", quantize_array(data, quant), quant)

    def _as_is(self, name: str) -> str:
        """An activation, or a constant that is no real number: indices, sizes."""
        tensor = self._old.tensors[name]
        self._new.tensors.setdefault(name, Tensor(name, tensor.dtype, tensor.shape, data=tensor.data))
        return name

    def _requantized(self, node: Node, name: str, quant: Quant) -> str:
        """An input of Concat at the scale of its output."""
        data: Array | None = self._old.constant(name)
        if data is not None:
            return self._new.add_constant(name, quantize_array(data, quant), quant)
        own = self._plan.quants[name]
        if own.same(quant):
            return name
        table = self._new.add_constant(f"{node.name}/table", unary_table(lambda x: x, own, quant))
        out = self._new.add_tensor(f"{name}/requantized", INT8, self._old.tensors[name].shape, quant)
        step = self._new.fresh(f"{node.name}/requantize")
        self._new.nodes.append(Node(step, "Table", [name, table], [out], {"function": "Requantize"}))
        return out

    def finish(self) -> Graph:
        for name, successor in self._old.state.items():
            self._new.state[self._float_name(name)] = self._as_float(successor)
        return self._new

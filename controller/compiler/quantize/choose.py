"""Chooses which layers become int8, and the scale of every tensor that they touch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from controller.compiler.errors import CalibrationError
from controller.compiler.ir import FLOAT, Graph, Node, Quant
from controller.compiler.ir.operators import OPERATORS
from controller.compiler.quantize.functions import unary_function
from controller.compiler.quantize.histogram import Histogram
from controller.compiler.quantize.ranges import METHODS, Range, to_quant
from controller.compiler.quantize.weights import QuantizedWeights, quantize_weights

SOFTMAX = Quant.per_tensor(1 / 256, -128)
_WEIGHTED = ("Conv", "Gemm", "MatMul")
_NEEDS_RANGE = "no calibration data reaches it"


@dataclass
class Plan:
    """Decisions.

    Attributes:
        quants: Scale and zero point of every tensor that has an int8 form.
        int8: Names of the nodes that compute in int8.
        kept: Names of the float nodes that stay float32, each with the reason.
        weights: Integer weights of the int8 products, by node.
    """

    quants: dict[str, Quant] = field(default_factory=dict)
    int8: set[str] = field(default_factory=set)
    kept: dict[str, str] = field(default_factory=dict)
    weights: dict[str, QuantizedWeights] = field(default_factory=dict)
    _made: set[str] = field(default_factory=set)

    def made_int8(self, tensor: str) -> bool:
        """Whether a tensor is stored as int8 by who makes it."""
        return tensor in self._made

    def take(self, node: Node, quant: Quant) -> None:
        """Compute `node` in int8."""
        self.int8.add(node.name)
        self.quants[node.output] = quant
        self._made.add(node.output)

    def give(self, tensor: str, quant: Quant) -> None:
        """A graph input arrives as int8."""
        self.quants[tensor] = quant
        self._made.add(tensor)


def choose(graph: Graph, histograms: Mapping[str, Histogram], method: str, keep_float: Sequence[str]) -> Plan:
    """Decide node by node, in the order of the graph.

    Raises:
        CalibrationError: A float input has no range.
    """
    ranges = {name: METHODS[method](h) for name, h in histograms.items() if not h.nonfinite}
    wishes = _concat_wishes(graph, ranges)
    plan = Plan()
    for name in graph.inputs:
        if graph.tensors[name].dtype == FLOAT:
            if name not in ranges:
                raise CalibrationError(f"input {name} has no calibration data", remedy="give finite samples for it")
            plan.give(name, to_quant(*ranges[name]))
    for node in graph.nodes:
        if graph.tensors[node.inputs[0]].dtype != FLOAT:
            continue
        reason = _decide(graph, node, plan, ranges, wishes, keep_float)
        if reason:
            plan.kept[node.name] = reason
    # Float results that int8 layers, or the caller, read: they too need a scale.
    for node in graph.nodes:
        for name in node.outputs:
            readers = graph.consumers(name)
            wanted = name in graph.outputs or any(reader.name in plan.int8 for reader in readers)
            if name not in plan.quants and wanted and graph.tensors[name].dtype == FLOAT:
                plan.quants[name] = _quant_of(node, name, ranges, wishes) or _fail(name)
    return plan


def _fail(name: str) -> Quant:
    raise CalibrationError(
        f"output {name} has no finite values on the calibration data",
        remedy="compile in float32 (float = true), or check the data",
    )


def _quant_of(node: Node, name: str, ranges: Mapping[str, Range], wishes: Mapping[str, Quant]) -> Quant | None:
    if name in wishes:
        return wishes[name]
    if node.op == "Softmax":
        return SOFTMAX
    return to_quant(*ranges[name]) if name in ranges else None


def _decide(
    graph: Graph,
    node: Node,
    plan: Plan,
    ranges: Mapping[str, Range],
    wishes: Mapping[str, Quant],
    keep_float: Sequence[str],
) -> str | None:
    """Put a node into the plan; or the reason why it stays float32."""
    if node.name in keep_float:
        return "asked for"
    constants = [graph.constant(name) for name in node.inputs]
    activations = [name for name, data in zip(node.inputs, constants, strict=True) if data is None]
    copies = OPERATORS[node.op].quantized == "copy"
    if copies and node.op != "Concat":
        if not plan.made_int8(node.inputs[0]):
            return "its input is float32"
        plan.take(node, plan.quants[node.inputs[0]])
        return None
    table = unary_function(node, constants) is not None
    if not OPERATORS[node.op].quantized and not table:
        return f"{node.op} has no int8 form"
    for name in activations:
        if name not in plan.quants and name not in ranges:
            return _NEEDS_RANGE
    quant = _quant_of(node, node.output, ranges, wishes) or _concat_quant(graph, node, plan, ranges)
    if quant is None:
        return _NEEDS_RANGE
    reason = _weigh(graph, node, plan, ranges, quant) if node.op in _WEIGHTED else None
    if reason:
        return reason
    # A float32 input becomes int8 at this border: its scale is the one its own range gives.
    for name in activations:
        plan.quants.setdefault(name, to_quant(*ranges[name]) if name in ranges else quant)
    plan.take(node, quant)
    return None


def _weigh(graph: Graph, node: Node, plan: Plan, ranges: Mapping[str, Range], quant: Quant) -> str | None:
    w = graph.constant(node.inputs[1])
    bias = graph.constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if w is None or graph.tensors[node.inputs[0]].is_constant or (node.op != "Conv" and w.ndim != 2):
        return "a product of two activations"
    if len(node.inputs) > 2 and bias is None:
        return "its bias is computed at run time"
    axis = 0 if node.op == "Conv" else 1
    name = node.inputs[0]
    x = plan.quants[name] if name in plan.quants else to_quant(*ranges[name])
    if bias is None:
        bias = np.zeros(w.shape[axis], FLOAT)
    weights = quantize_weights(w, bias, axis, x, quant)
    if weights is None:
        return "its sums could leave int32"
    plan.weights[node.name] = weights
    return None


def _concat_quant(graph: Graph, node: Node, plan: Plan, ranges: Mapping[str, Range]) -> Quant | None:
    """The scale of a Concat that has no histogram (a part of a Pad): the union of its inputs' ranges."""
    if node.op != "Concat":
        return None
    quants = [plan.quants[name] for name in node.inputs if name in plan.quants]
    known = [ranges[name] for name in node.inputs if name in ranges]
    constants = [data for name in node.inputs if (data := graph.constant(name)) is not None]
    if len(quants) == 1 and all(not data.any() for data in constants):
        return quants[0]
    if not known:
        return None
    finite = [float(v) for data in constants for v in (data.min(), data.max()) if np.isfinite(v)]
    low = min([*finite, *(low for low, _ in known)])
    high = max([*finite, *(high for _, high in known)])
    return to_quant(low, high)


def _concat_wishes(graph: Graph, ranges: Mapping[str, Range]) -> dict[str, Quant]:
    """Scales that a Concat wants its inputs to be made at, so that nothing is rounded twice.

    Only the maker of a tensor that nobody else reads can be asked, and only if it rescales anyway.
    """
    wishes: dict[str, Quant] = {}
    producers = graph.producers()
    for node in reversed(graph.nodes):
        if node.op != "Concat":
            continue
        quant = wishes.get(node.output)
        if quant is None and node.output in ranges:
            quant = to_quant(*ranges[node.output])
        if quant is None:
            continue
        for name in node.inputs:
            maker = producers.get(name)
            rescales = maker is not None and (OPERATORS[maker.op].quantized != "copy" or maker.op == "Concat")
            if rescales and graph.sole_consumer(name) is node:
                wishes[name] = quant
    return wishes

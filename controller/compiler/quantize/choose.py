"""Chooses which layers become int8, and the scale of every tensor that they touch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from controller.compiler.errors import CalibrationError
from controller.compiler.ir import FLOAT, Array, Graph, Node, Quant
from controller.compiler.ir.operators import OPERATORS, VIEWS
from controller.compiler.quantize.functions import unary_function
from controller.compiler.quantize.means import PRODUCTS
from controller.compiler.quantize.observe import Calibration
from controller.compiler.quantize.ranges import Range, to_quant
from controller.compiler.quantize.weights import QuantizedWeights, quantize_weights

SOFTMAX = Quant.per_tensor(1 / 256, -128)


@dataclass
class Plan:
    """Decisions.

    Attributes:
        quants: Scale and zero point of every tensor that has an int8 form.
        int8: Names of the nodes that compute in int8.
        kept: Names of the float nodes that stay float32, each with the reason.
        weights: Integer weights of the int8 products, by node.
        made: Tensors that are stored as int8 by who makes or gives them.
        rounds: Whether float layers too see a tensor with a scale rounded to it, as files that bring their
            own scales mean it.
    """

    quants: dict[str, Quant] = field(default_factory=dict)
    int8: set[str] = field(default_factory=set)
    kept: dict[str, str] = field(default_factory=dict)
    weights: dict[str, QuantizedWeights] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    rounds: bool = False


def choose(
    graph: Graph,
    calibration: Calibration,
    keep_float: Mapping[str, str],
    operators: Sequence[str] | None,
    weight_bits: int = 8,
) -> Plan:
    """Decide node by node, in the order of the graph.

    Args:
        graph: After the float passes.
        calibration: Of its tensors.
        keep_float: Names of nodes that stay float32, each with the reason.
        operators: The operators that may become int8, or None for all; those that only move elements follow.
        weight_bits: Of products over channels. Depthwise convolutions have too few products to be faster
            for it: they keep 8.

    Raises:
        CalibrationError: A float input or output of the graph has no range.
    """
    ranges = dict(calibration.ranges)
    _spread_ranges(graph, ranges)
    chooser = Chooser(graph, Calibration(ranges, calibration.means), keep_float, operators, weight_bits)
    for name in graph.inputs:
        if graph.tensors[name].dtype == FLOAT:
            chooser.give(name)
    for node in graph.nodes:
        if node.inputs and graph.tensors[node.inputs[0]].dtype == FLOAT:
            chooser.decide(node)
    chooser.scale_float_results()
    return chooser.plan


def _spread_ranges(graph: Graph, ranges: dict[str, Range]) -> None:
    """A tensor that a pass made has no histogram, but the same values as what a view makes of it."""
    for node in reversed(graph.nodes):
        if node.op in VIEWS or node.op == "Transpose":
            source = node.inputs[0]
            if node.output in ranges and source not in ranges and not graph.tensors[source].is_constant:
                ranges[source] = ranges[node.output]


class Stays(Exception):  # noqa: N818 - not an error: a node stays float32
    """Why a node stays float32."""


class Chooser:
    """Decides for one node after the other."""

    def __init__(
        self,
        graph: Graph,
        calibration: Calibration,
        keep_float: Mapping[str, str],
        operators: Sequence[str] | None,
        weight_bits: int = 8,
    ) -> None:
        self.plan = Plan()
        self.graph, self._ranges, self._means = graph, calibration.ranges, calibration.means
        self._keep_float, self._operators = keep_float, operators
        self._weight_bits = weight_bits
        self._wishes = _concat_wishes(graph, self._ranges)

    def give(self, name: str) -> None:
        """A graph input arrives as int8."""
        if name not in self._ranges:
            raise CalibrationError(
                f"input {name} has no calibration data", remedy="give finite samples for it"
            )
        self.plan.quants[name] = to_quant(*self._ranges[name])
        self.plan.made.add(name)

    def decide(self, node: Node) -> None:
        """Put a node into the plan, or note why it stays float32."""
        try:
            quant = self.scale_of_copy(node) or self._scale_of_operator(node)
        except Stays as reason:
            self.plan.kept[node.name] = str(reason)
            return
        self.plan.int8.add(node.name)
        for name in node.outputs:
            self.plan.quants[name] = quant
            self.plan.made.add(name)

    def scale_of_copy(self, node: Node) -> Quant | None:
        """The input's scale, for operators that keep it."""
        if node.name in self._keep_float:
            raise Stays(self._keep_float[node.name])
        if OPERATORS[node.op].quantized != "copy" or node.op == "Concat":
            return None
        if node.inputs[0] not in self.plan.made:
            raise Stays("its input is float32")
        return self.plan.quants[node.inputs[0]]

    def _scale_of_operator(self, node: Node) -> Quant:
        graph = self.graph
        constants = [graph.constant(name) for name in node.inputs]
        activations = [name for name, data in zip(node.inputs, constants, strict=True) if data is None]
        if not OPERATORS[node.op].quantized and unary_function(node, constants) is None:
            raise Stays(f"{node.op} has no int8 form")
        if self._operators is not None and node.op not in self._operators:
            raise Stays("not among the operators asked for")
        inputs = {name: self.input_scale(name) for name in activations}
        quant = self.output_scale(node, node.output)
        if quant is None and node.op == "Concat":
            quant = self._union(node, inputs)
        if quant is None:
            raise Stays("no calibration data reaches it")
        if node.op in PRODUCTS:
            self.plan.weights[node.name] = self.weigh(node, constants, inputs, quant)
        # A float32 input becomes int8 at this border.
        for name, scale in inputs.items():
            self.plan.quants.setdefault(name, scale)
        return quant

    def input_scale(self, name: str) -> Quant:
        """At which scale an operator reads a tensor."""
        if name in self.plan.quants:
            return self.plan.quants[name]
        if name in self._wishes:
            return self._wishes[name]
        if name not in self._ranges:
            raise Stays("no calibration data reaches it")
        return to_quant(*self._ranges[name])

    def output_scale(self, node: Node, name: str) -> Quant | None:
        """At which scale an operator makes a tensor; None if nothing is known of it."""
        if name in self._wishes:
            return self._wishes[name]
        if node.op == "Softmax":
            return SOFTMAX
        return to_quant(*self._ranges[name]) if name in self._ranges else None

    def weigh(
        self, node: Node, constants: list[Array | None], inputs: Mapping[str, Quant], quant: Quant
    ) -> QuantizedWeights:
        """Integer weights and bias of a product."""
        w = constants[1]
        if w is None or constants[0] is not None or (node.op != "Conv" and w.ndim != 2):
            raise Stays("a product of two activations")
        axis = 0 if node.op == "Conv" else 1
        bias = constants[2] if len(constants) > 2 else np.zeros(w.shape[axis], FLOAT)
        if bias is None:
            raise Stays("its bias is computed at run time")
        x = node.inputs[0]
        depthwise = node.op == "Conv" and is_depthwise(w, node.attrs["group"])
        bits = 8 if depthwise else self._weight_bits
        weights = quantize_weights(w, bias, axis, inputs[x], quant, mean=self._means.get(x), bits=bits)
        if weights is None:
            raise Stays("its sums could leave int32")
        return weights

    def _union(self, node: Node, inputs: Mapping[str, Quant]) -> Quant | None:
        """The scale of a Concat without a histogram, a part of a Pad: what holds its inputs and constants."""
        values = [data for name in node.inputs if (data := self.graph.constant(name)) is not None]
        if len(inputs) == 1 and not any(data.any() for data in values):
            return next(iter(inputs.values()))
        spans = [
            (float(q.s) * (-128 - q.zero_point), float(q.s) * (127 - q.zero_point)) for q in inputs.values()
        ]
        spans += [(float(v), float(v)) for data in values for v in (data.min(), data.max()) if np.isfinite(v)]
        return to_quant(min(low for low, _ in spans), max(high for _, high in spans)) if spans else None

    def scale_float_results(self) -> None:
        """Float32 results that int8 layers, or the caller, read: they too need a scale."""
        for node, name in ((n, name) for n in self.graph.nodes for name in n.outputs):
            if name in self.plan.quants or name not in self.graph.outputs:
                continue
            if self.graph.tensors[name].dtype != FLOAT:
                continue
            quant = self.output_scale(node, name)
            if quant is None:
                raise CalibrationError(
                    f"output {name} has no finite values on the calibration data",
                    remedy="compile in float32 (float = true), or check the data",
                )
            self.plan.quants[name] = quant


def is_depthwise(w: Array, groups: int) -> bool:
    """Whether each channel has one filter of its own. w: OIHW, or OIW."""
    return groups > 1 and w.shape[:2] == (groups, 1)


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
        for name in node.inputs:
            maker = producers.get(name)
            rescales = maker is not None and (OPERATORS[maker.op].quantized != "copy" or maker.op == "Concat")
            if quant is not None and rescales and graph.sole_consumer(name) is node:
                wishes[name] = quant
    return wishes

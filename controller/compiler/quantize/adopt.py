"""Takes over the quantization that a file brings with it: its scales, and its integers where our rules allow.

`take_scales` turns pairs of QuantizeBy and DequantizeBy into plain float tensors of which a scale is known,
so that the float passes see an ordinary network; `keep_scales` then makes the int8 graph. uint8 becomes int8:
integer and zero point are both 128 less, which changes no result. What has no int8 form, or whose weights
are not what int8 can hold, is computed in float32.
"""

from collections.abc import Mapping

import numpy as np

from controller.compiler.ir import FLOAT, INT8, Array, Graph, Node, Quant
from controller.compiler.ir.operators import OPERATORS
from controller.compiler.quantize.choose import Chooser, Stays
from controller.compiler.quantize.observe import Calibration
from controller.compiler.quantize.rewrite import rewrite
from controller.compiler.quantize.weights import QuantizedWeights, with_bias

_SHIFT = {"int8": 0, "uint8": 128}
"""How far a type's integers lie above those of int8."""

_MAPS_RANK = 4
"""Of tensors that have a fast MaxPool."""

_LARGEST = 127
"""Of integer weights: they are symmetric."""


def take_scales(graph: Graph) -> None:
    """Note the scales of activations in `graph.scales`, and take out what only rounds to them."""
    _move_reals(graph)
    for node in list(graph.nodes):
        if node.op == "QuantizeBy":
            quant = _scale(graph, node, graph.tensors[node.output].dtype)
            if quant is not None and graph.tensors[node.inputs[0]].dtype == FLOAT:
                graph.scales.setdefault(node.inputs[0], quant)
        elif node.op == "DequantizeBy":
            _take(graph, node)


def _move_reals(graph: Graph) -> None:
    """Let operators that only move or choose elements do so before a QuantizeBy instead of behind it."""
    makers = graph.producers()
    for node in list(graph.nodes):
        maker = makers.get(node.inputs[0]) if node.inputs else None
        if maker is None or maker.op != "QuantizeBy" or len(node.outputs) > 1:
            continue
        dtype = graph.tensors[node.output].dtype
        if _scale(graph, maker, dtype) is None or graph.tensors[maker.inputs[0]].dtype != FLOAT:
            continue
        if node.op == "GeneralMaxPool" and len(graph.tensors[node.output].shape) <= _MAPS_RANK:
            node.op = "MaxPool"
            del node.attrs["storage_order"]
        if OPERATORS[node.op].quantized != "copy" or node.op == "Concat":
            continue
        target = node.output
        real = graph.add_tensor(f"{target}/real", FLOAT, graph.tensors[target].shape)
        node.inputs[0], node.outputs = maker.inputs[0], [real]
        name = graph.fresh(f"{target}/Quantize")
        makers[target] = Node(name, "QuantizeBy", [real, *maker.inputs[1:]], [target], dict(maker.attrs))
        graph.insert_after(node, makers[target])


def _take(graph: Graph, node: Node) -> None:
    quant = _scale(graph, node, graph.tensors[node.inputs[0]].dtype)
    if quant is None:
        return
    maker, target = graph.producer(node.inputs[0]), node.output
    source = maker.inputs[0] if maker is not None and maker.op == "QuantizeBy" else None
    if source is None or not quant.same(graph.scales.get(source)):
        graph.scales[target] = quant
        return
    inputs = node.inputs
    node.inputs = [source]
    if graph.bypass(node):
        graph.scales[target] = quant
    else:
        node.inputs = inputs


def _scale(graph: Graph, node: Node, dtype: np.dtype[np.generic]) -> Quant | None:
    """The one scale and zero point of a QuantizeBy or DequantizeBy, for int8; None if it is no such one."""
    scale, zero = (graph.constant(name) for name in node.inputs[1:3])
    if scale is None or zero is None or scale.size != 1 or dtype.name not in _SHIFT:
        return None
    value = FLOAT.type(scale.reshape(-1)[0])
    if not np.isfinite(value) or value <= 0:
        return None
    return Quant.per_tensor(value, int(zero.reshape(-1)[0]) - _SHIFT[dtype.name])


def keep_scales(graph: Graph) -> Graph:
    """The int8 graph that the file's own scales make; the graph itself if it brings none.

    Args:
        graph: After the float passes; it is not changed.
    """
    chooser = _Adopter(graph)
    if not chooser.activations:
        return graph
    for name in graph.inputs:
        if name in chooser.activations and graph.tensors[name].dtype == FLOAT:
            chooser.give(name)
    for node in graph.nodes:
        if node.inputs and graph.tensors[node.inputs[0]].dtype == FLOAT:
            chooser.decide(node)
    if not chooser.plan.int8:
        return graph
    for name, quant in chooser.activations.items():
        chooser.plan.quants.setdefault(name, quant)
    return rewrite(graph, chooser.plan)


class _Adopter(Chooser):
    """Chooses by the file's scales instead of ranges."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph, Calibration({}, {}), {}, None)
        self.plan.rounds = True
        known = {name: graph.tensors[name] for name in graph.scales if name in graph.tensors}
        self.activations = {
            name: graph.scales[name]
            for name, tensor in known.items()
            if not tensor.is_constant and tensor.dtype == FLOAT
        }
        self._grids = list({q.scale.tobytes(): q.scale for q in graph.scales.values()}.values())

    def give(self, name: str) -> None:
        """A graph input arrives as int8."""
        self.plan.quants[name] = self.activations[name]
        self.plan.made.add(name)

    def input_scale(self, name: str) -> Quant:
        """What the tensor has already, or what the file says."""
        quant = self.plan.quants.get(name) or self.activations.get(name)
        if quant is None:
            raise Stays("the file gives no scale for its input")
        return quant

    def output_scale(self, node: Node, name: str) -> Quant | None:  # noqa: ARG002 - overrides
        """What the file says."""
        quant = self.activations.get(name)
        if quant is None:
            raise Stays("the file gives no scale for its output")
        return quant

    def scale_of_copy(self, node: Node) -> Quant | None:
        """As for any graph, but where the file asks for another scale."""
        quant = super().scale_of_copy(node)
        if quant is not None and not all(
            quant.same(self.activations.get(name, quant)) for name in node.outputs
        ):
            raise Stays("the file scales its output otherwise")
        return quant

    def weigh(
        self, node: Node, constants: list[Array | None], inputs: Mapping[str, Quant], quant: Quant
    ) -> QuantizedWeights:
        """The file's integers."""
        w = constants[1]
        if w is None or constants[0] is not None or (node.op != "Conv" and w.ndim != 2):
            raise Stays("a product of two activations")
        axis = 0 if node.op == "Conv" else 1
        bias = constants[2] if len(constants) > 2 else np.zeros(w.shape[axis], FLOAT)
        if bias is None:
            raise Stays("its bias is computed at run time")
        for scale in self._grids:
            integers = _on_grid(w, scale, axis)
            if integers is not None:
                channels = np.broadcast_to(scale, (w.shape[axis],)).astype(FLOAT)
                weights = with_bias(integers, channels, bias, axis, inputs[node.inputs[0]], quant)
                if weights is not None:
                    return weights
                raise Stays("its sums could leave int32")
        raise Stays("its weights are no int8 integers in the file")


def _on_grid(w: Array, scale: Array, axis: int) -> Array | None:
    """The integers that are exactly these weights at a scale."""
    if scale.size not in (1, w.shape[axis]):
        return None
    steps = scale.reshape([-1 if i == axis else 1 for i in range(w.ndim)])
    with np.errstate(all="ignore"):
        integers = np.rint(w / steps)
    if not np.all(np.abs(integers) <= _LARGEST) or not np.array_equal(integers.astype(FLOAT) * steps, w):
        return None
    return integers.astype(INT8)

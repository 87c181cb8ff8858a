"""What a legal graph is. Runs after every pass; whatever it refuses is a bug of the pass before it.

1.  Names: every tensor stands under its own name; node names are unique and not empty.
2.  Order: a node reads inputs, constants, and what earlier nodes made; each tensor has one maker.
3.  Operators: each node is in `operators.OPERATORS`, with that many inputs and outputs and exactly those
    attributes.
4.  Shapes: static, and what the operator makes of its inputs.
5.  Types: what the operator's row says; between int8 and float32 only QuantizeLinear and DequantizeLinear
    cross.
6.  Scales: every quantized activation has one finite scale > 0 and a zero point in range; copying operators
    keep both; weights have zero point 0; a bias is int32 at scale f32(sx · sw).
7.  Constants: data of the declared type and shape. Results are made, inputs and state are not constants.
8.  Memory order, where set, is a permutation of the dimensions.
"""

import numpy as np

from controller.compiler.errors import IllegalGraphError
from controller.compiler.ir.graph import FLOAT, INT8, Graph, Node, Quant, Tensor
from controller.compiler.ir.operators import OPERATORS, UNLOWERED, Operator

_WEIGHTED = ("Conv", "Gemm", "MatMul")


def verify(graph: Graph, after: str, *, lowered: bool = False) -> None:
    """Check every rule.

    Args:
        graph: What a pass left.
        after: The name of that pass, for the message.
        lowered: Also refuse the operators that only exist before the passes.

    Raises:
        IllegalGraphError: A rule does not hold.
    """
    try:
        for name, tensor in graph.tensors.items():
            _tensor(name, tensor)
        _order(graph)
        for node in graph.nodes:
            _node(graph, node, lowered=lowered)
    except IllegalGraphError as error:
        error.remedy = f"this is a bug of the pass {after}: please report it with the ONNX file"
        raise


def _tensor(name: str, tensor: Tensor) -> None:
    def refuse(why: str) -> None:
        raise IllegalGraphError(f"tensor {name} {why}", where=name)

    if tensor.name != name:
        refuse(f"stands under the name {tensor.name}")
    if any(size < 0 for size in tensor.shape):
        refuse(f"has shape {list(tensor.shape)}")
    if tensor.data is not None and (tensor.data.dtype != tensor.dtype or tensor.data.shape != tensor.shape):
        refuse(
            f"is declared {tensor.dtype}{list(tensor.shape)} "
            f"and holds {tensor.data.dtype}{list(tensor.data.shape)}"
        )
    if tensor.order is not None and sorted(tensor.order) != list(range(len(tensor.shape))):
        refuse(f"has memory order {tensor.order}")
    if tensor.quant is not None:
        _quant(tensor, tensor.quant)


def _quant(tensor: Tensor, quant: Quant) -> None:
    sizes = 1 if quant.axis is None else tensor.shape[quant.axis]
    if (
        quant.scale.shape != (sizes,)
        or quant.scale.dtype != FLOAT
        or not np.all(np.isfinite(quant.scale))
        or not np.all(quant.scale > 0)
        or not -128 <= quant.zero_point <= 127
        or (quant.axis is not None and quant.zero_point != 0)
    ):
        raise IllegalGraphError(
            f"tensor {tensor.name} has scale {quant.scale} and zero point {quant.zero_point}"
        )


def _order(graph: Graph) -> None:
    names = [node.name for node in graph.nodes]
    if len(set(names)) != len(names) or not all(names):
        raise IllegalGraphError("two nodes have the same name, or one has none")
    constants = {name for name, tensor in graph.tensors.items() if tensor.is_constant}
    known = {*graph.inputs, *graph.state}
    if known & constants:
        raise IllegalGraphError(f"inputs {sorted(known & constants)} are constants")
    for node in graph.nodes:
        undeclared = {name for name in (*node.inputs, *node.outputs) if name not in graph.tensors}
        early = set(node.inputs) - known - constants
        again = {name for name in node.outputs if name in known or name in constants}
        if undeclared or early or again:
            raise IllegalGraphError(
                f"tensors {sorted(undeclared)} are not declared, {sorted(early)} read before they are made, "
                f"{sorted(again)} made twice",
                where=node.name,
            )
        known.update(node.outputs)
    if not known.issuperset(graph.results):
        raise IllegalGraphError(f"outputs {sorted(set(graph.results) - known)} are never made")


def _node(graph: Graph, node: Node, *, lowered: bool) -> None:
    def refuse(why: str) -> None:
        raise IllegalGraphError(f"{node.op} {why}", where=node.name)

    operator = OPERATORS.get(node.op)
    if operator is None or (lowered and node.op in UNLOWERED):
        raise IllegalGraphError(f"operator {node.op} does not exist", where=node.name)
    for what, count, (least, most) in (
        ("inputs", len(node.inputs), operator.inputs),
        ("outputs", len(node.outputs), operator.outputs),
    ):
        if not least <= count <= most:
            refuse(f"has {count} {what}")
    keys = node.attrs.keys()
    if not operator.attrs <= keys <= operator.attrs | operator.optional:
        refuse(f"has the attributes {sorted(keys)}")
    inputs, outs = [graph.tensors[name] for name in node.inputs], [graph.tensors[n] for n in node.outputs]
    try:
        fits = operator.shape([tensor.shape for tensor in inputs], node.attrs, outs[0].shape)
    except (ValueError, IndexError):
        # Shapes that do not broadcast, ranks that an attribute does not have.
        fits = False
    if not fits:
        shapes = ", ".join(str(list(tensor.shape)) for tensor in inputs)
        refuse(f"makes {list(outs[0].shape)} of {shapes}")
    _types(node, operator, inputs, outs)


def _types(node: Node, operator: Operator, inputs: list[Tensor], outs: list[Tensor]) -> None:
    if not inputs:
        return
    x, out = inputs[0], outs[0]
    crosses = {x.dtype, out.dtype} == {INT8, FLOAT} and operator.types != "any"
    same = operator.types == "any" or x.dtype == out.dtype
    if crosses != (operator.quantized == "convert") or not (crosses or same):
        raise IllegalGraphError(f"{node.op} reads {x.dtype} and makes {out.dtype}", where=node.name)
    if operator.types == "float" and not {x.dtype, out.dtype} <= {INT8, FLOAT}:
        raise IllegalGraphError(f"{node.op} is not defined for {x.dtype}", where=node.name)
    quantized = x.quant is not None or any(tensor.quant is not None for tensor in outs)
    if not quantized and operator.types != "float":
        return
    for tensor in (x, *outs):
        if tensor.dtype == INT8 and (tensor.quant is None or tensor.quant.axis is not None):
            raise IllegalGraphError(f"int8 {tensor.name} has not one scale", where=node.name)
    if out.dtype == x.dtype == INT8:
        for tensor in outs:
            _int8(node, operator.quantized, inputs, tensor)


def _int8(node: Node, quantized: str, inputs: list[Tensor], out: Tensor) -> None:
    if not quantized:
        raise IllegalGraphError(f"{node.op} has no int8 form", where=node.name)
    changed = [t.name for t in inputs if t.dtype == INT8 and not (t.quant and t.quant.same(out.quant))]
    if quantized == "copy" and changed:
        raise IllegalGraphError(f"{node.op} changes the scale of {changed[0]}", where=node.name)
    if node.op in _WEIGHTED:
        _weights(node, inputs)


def _weights(node: Node, inputs: list[Tensor]) -> None:
    x, w = inputs[0].quant, inputs[1].quant
    if x is None or w is None or not inputs[1].is_constant or w.zero_point != 0:
        raise IllegalGraphError(f"{node.op} has no quantized constant weights", where=node.name)
    if len(inputs) > 2:
        bias = inputs[2]
        expected = x.s * w.scale
        if bias.dtype != np.int32 or bias.quant is None or not np.array_equal(bias.quant.scale, expected):
            raise IllegalGraphError(
                f"{node.op} has a bias of another scale than f32(sx · sw)", where=node.name
            )

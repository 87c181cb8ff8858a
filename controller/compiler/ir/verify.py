"""What a legal graph is. Runs after every pass; whatever it refuses is a bug of the pass before it.

1.  Names: every tensor stands under its own name; node names are unique and not empty.
2.  Order: a node reads inputs of the graph, constants, and what earlier nodes made; each tensor has one maker.
3.  Operators: each node is in `operators.OPERATORS`, with that many inputs and exactly those attributes.
4.  Shapes: static, every dimension ≥ 1, and what the operator makes of its inputs.
5.  Types: a node's activations are all int8 or all of one other type; only QuantizeLinear and DequantizeLinear cross.
6.  Scales: every int8 activation has one finite scale > 0 and a zero point in range; copying operators keep both; weights have
    zero point 0; a bias is int32 at scale f32(sx · sw).
7.  Constants: data of the declared type and shape. Outputs of the graph are made, inputs are not constants.
8.  Memory order, where set, is a permutation of the dimensions.
"""

import numpy as np

from controller.compiler.errors import IllegalGraphError
from controller.compiler.ir.graph import FLOAT, INT8, Graph, Node, Quant, Tensor
from controller.compiler.ir.operators import OPERATORS, UNLOWERED

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
            if lowered and node.op in UNLOWERED:
                raise IllegalGraphError(f"operator {node.op} is left", where=node.name)
            _node(graph, node)
    except IllegalGraphError as error:
        error.remedy = f"this is a bug of the pass {after}: please report it with the ONNX file"
        raise


def _tensor(name: str, tensor: Tensor) -> None:
    def refuse(why: str) -> None:
        raise IllegalGraphError(f"tensor {name} {why}", where=name)

    if tensor.name != name:
        refuse(f"stands under the name {tensor.name}")
    if any(size < 1 for size in tensor.shape):
        refuse(f"has shape {list(tensor.shape)}")
    if tensor.data is not None and (tensor.data.dtype != tensor.dtype or tensor.data.shape != tensor.shape):
        refuse(f"is declared {tensor.dtype}{list(tensor.shape)} and holds {tensor.data.dtype}{list(tensor.data.shape)}")
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
        raise IllegalGraphError(f"tensor {tensor.name} has scale {quant.scale} and zero point {quant.zero_point}")


def _order(graph: Graph) -> None:
    names = [node.name for node in graph.nodes]
    if len(set(names)) != len(names) or not all(names):
        raise IllegalGraphError("two nodes have the same name, or one has none")
    known = set(graph.inputs)
    for name in graph.inputs:
        if graph.tensors[name].is_constant:
            raise IllegalGraphError(f"input {name} is a constant")
    for node in graph.nodes:
        for name in (*node.inputs, *node.outputs):
            if name not in graph.tensors:
                raise IllegalGraphError(f"{name} is not declared", where=node.name)
        for name in node.inputs:
            if name not in known and not graph.tensors[name].is_constant:
                raise IllegalGraphError(f"{name} is read before it is made", where=node.name)
        for name in node.outputs:
            if name in known or graph.tensors[name].is_constant:
                raise IllegalGraphError(f"{name} is made twice", where=node.name)
            known.add(name)
    for name in graph.outputs:
        if name not in known:
            raise IllegalGraphError(f"output {name} is never made")


def _node(graph: Graph, node: Node) -> None:
    def refuse(why: str) -> None:
        raise IllegalGraphError(f"{node.op} {why}", where=node.name)

    operator = OPERATORS.get(node.op)
    if operator is None:
        raise IllegalGraphError(f"operator {node.op} does not exist", where=node.name)
    least, most = operator.inputs
    if not least <= len(node.inputs) <= most or len(node.outputs) != 1:
        refuse(f"has {len(node.inputs)} inputs and {len(node.outputs)} outputs")
    keys = node.attrs.keys()
    if not operator.attrs <= keys <= operator.attrs | operator.optional:
        refuse(f"has the attributes {sorted(keys)}")
    inputs, out = [graph.tensors[name] for name in node.inputs], graph.tensors[node.output]
    if not operator.shape([tensor.shape for tensor in inputs], node.attrs, out.shape):
        shapes = ", ".join(str(list(tensor.shape)) for tensor in inputs)
        refuse(f"makes {list(out.shape)} of {shapes}")
    _types(node, operator.quantized, inputs, out)


def _types(node: Node, quantized: str, inputs: list[Tensor], out: Tensor) -> None:
    def refuse(why: str) -> None:
        raise IllegalGraphError(f"{node.op} {why}", where=node.name)

    x = inputs[0]
    if quantized == "convert":
        if {x.dtype, out.dtype} != {INT8, FLOAT}:
            refuse(f"converts {x.dtype} to {out.dtype}")
    elif x.dtype != out.dtype:
        refuse(f"reads {x.dtype} and makes {out.dtype}")
    for tensor in (x, out):
        if tensor.dtype == INT8 and (tensor.quant is None or tensor.quant.axis is not None):
            refuse(f"has int8 {tensor.name} without one scale")
    if out.dtype != INT8 or x.dtype != INT8:
        return
    if not quantized:
        refuse("has no int8 form")
    if quantized == "copy":
        for tensor in inputs:
            if tensor.quant is None or not tensor.quant.same(out.quant):
                refuse(f"changes the scale of {tensor.name}")
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
            raise IllegalGraphError(f"{node.op} has a bias of another scale than f32(sx · sw)", where=node.name)

"""Decides how every tensor lies in memory: channels-last where windows slide, else in ONNX's order.

Shapes and operators keep ONNX's meaning; only `Tensor.order` is set. Where an operator needs another order
than its input has, an Identity between two orders is put in front: the one kind of node that moves memory.
As few as possible: operators that do not care take the order they are given, a Transpose takes the order
that makes it a renaming, and orders that differ only in dimensions of size 1 are the same.
"""

from controller.compiler.ir import INT8, Graph, Node, Shape, Tensor
from controller.compiler.ir.operators import OPERATORS

Order = tuple[int, ...]

_MOST_PLANES = 4


def row_major(rank: int) -> Order:
    """ONNX's order."""
    return tuple(range(rank))


def channels_last(rank: int) -> Order:
    """N, spatial dimensions, C."""
    return (0, *range(2, rank), 1)


def same_memory(shape: Shape, a: Order, b: Order) -> bool:
    """Whether two orders put every element of `shape` into the same place."""
    return [d for d in a if shape[d] != 1] == [d for d in b if shape[d] != 1]


def reads_planes(x: Tensor, groups: int) -> bool:
    """Whether an int8 convolution reads planes of this input as they are: the few channels of an image."""
    return len(x.shape) == 4 and groups == 1 and 1 < x.shape[1] <= _MOST_PLANES and x.memory == row_major(4)


def assign_layout(graph: Graph) -> None:
    """Set the order of every tensor, adding conversions where they cannot be avoided."""
    given = {*graph.inputs, *graph.state}
    for tensor in graph.tensors.values():
        if tensor.is_constant or tensor.name in given:
            tensor.order = row_major(len(tensor.shape))
    converted: dict[tuple[str, Order], str] = {}
    for node in list(graph.nodes):
        layout = OPERATORS[node.op].layout
        for index, name in enumerate(node.inputs):
            x = graph.tensors[name]
            if layout == "row-major":
                node.inputs[index] = _convert(graph, node, x, row_major(len(x.shape)), converted)
            elif layout == "channels-last" and index == 0 and not _takes_planes(graph, node, x):
                node.inputs[index] = _convert(graph, node, x, channels_last(len(x.shape)), converted)
        for name in node.outputs:
            graph.tensors[name].order = _result(graph, node, len(graph.tensors[name].shape))
        if layout == "any" and len(node.inputs) > 1:
            _align_constants(graph, node)
    for name in dict.fromkeys(graph.results):
        _restore(graph, name)


def _takes_planes(graph: Graph, node: Node, x: Tensor) -> bool:
    if node.op != "Conv" or x.dtype != INT8 or graph.tensors[node.output].dtype != INT8:
        return False
    return reads_planes(x, node.attrs["group"])


def _align_constants(graph: Graph, node: Node) -> None:
    """Constant operands lie as the output does, so that both are walked in order."""
    out = graph.tensors[node.output]
    for tensor in map(graph.tensors.__getitem__, node.inputs):
        if (
            tensor.is_constant
            and len(tensor.shape) == len(out.shape)
            and len(graph.consumers(tensor.name)) == 1
        ):
            tensor.order = out.order


def _result(graph: Graph, node: Node, rank: int) -> Order:
    """The order in which an operator makes an output."""
    layout = OPERATORS[node.op].layout
    if layout != "any":
        return channels_last(rank) if layout == "channels-last" else row_major(rank)
    if node.op == "Transpose":
        perm, order = list(node.attrs["perm"]), graph.tensors[node.inputs[0]].memory
        return tuple(perm.index(axis) for axis in order)
    # The order of the inputs of this rank; channels-last wins over row-major.
    orders = [
        t.order
        for t in map(graph.tensors.__getitem__, node.inputs)
        if len(t.shape) == rank and not t.is_constant and t.order
    ]
    return next((order for order in orders if order != row_major(rank)), row_major(rank))


def _convert(
    graph: Graph, node: Node, x: Tensor, order: Order, converted: dict[tuple[str, Order], str]
) -> str:
    """`x` in another order; one conversion serves every reader."""
    if same_memory(x.shape, x.memory, order):
        return x.name
    if (x.name, order) not in converted:
        name = graph.add_tensor(f"{x.name}/layout", x.dtype, x.shape, x.quant)
        graph.tensors[name].order = order
        graph.insert_before(node, Node(graph.fresh(f"{node.name}/layout"), "Identity", [x.name], [name]))
        converted[x.name, order] = name
    return converted[x.name, order]


def _restore(graph: Graph, name: str) -> None:
    """A result of the graph has ONNX's order; its name stays."""
    tensor = graph.tensors[name]
    order = row_major(len(tensor.shape))
    if same_memory(tensor.shape, tensor.memory, order):
        return
    inner = graph.add_tensor(f"{name}/layout", tensor.dtype, tensor.shape, tensor.quant)
    graph.tensors[inner].order = tensor.order
    producer = graph.producers()[name]
    for node in graph.nodes:
        node.inputs = [inner if i == name else i for i in node.inputs]
    producer.outputs = [inner if made == name else made for made in producer.outputs]
    tensor.order = order
    graph.insert_after(producer, Node(graph.fresh(f"{producer.name}/layout"), "Identity", [inner], [name]))

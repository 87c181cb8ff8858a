"""Flattens feature maps in the order in which they lie in memory.

Kernels hold maps channels-last, ONNX flattens them channels-first. Rather than move the map before each
inference, the map is transposed in name only (the layout pass makes that free) and the rows of the weights
that follow are permuted once, here. For float32 that changes the order of the sum, so it belongs into the
graph document: before quantization.
"""

import math

import numpy as np

from controller.compiler.ir import Graph, Node

_MAPS = ("Conv", "MaxPool", "AveragePool", "GlobalAveragePool")
_ELEMENTWISE = (
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Relu",
    "Clip",
    "HardSigmoid",
    "HardSwish",
    "Sigmoid",
    "Concat",
    "Softmax",
)
_VIEWS = ("Flatten", "Reshape")


def flatten_channels_last(graph: Graph) -> None:
    """Flatten or Reshape of [N, C, …] to [N, C·…] whose only reader is a product with constant weights."""
    for node in list(graph.nodes):
        if node.op not in _VIEWS:
            continue
        x, out = graph.tensors[node.inputs[0]], graph.tensors[node.output]
        user = graph.sole_consumer(out.name)
        if (
            len(x.shape) not in (3, 4)
            or out.shape != (x.shape[0], math.prod(x.shape[1:]))
            or x.shape[1] == 1
            or math.prod(x.shape[2:]) == 1
            or user is None
            or user.op not in ("Gemm", "MatMul")
            or user.inputs[0] != out.name
            or not _is_map(graph, x.name)
        ):
            continue
        w = graph.constant(user.inputs[1])
        if w is None or w.ndim != 2:
            continue
        perm = [0, *range(2, len(x.shape)), 1]
        rows = np.arange(w.shape[0]).reshape(x.shape[1:])
        rows = np.transpose(rows, [axis - 1 for axis in perm[1:]]).reshape(-1)
        user.inputs[1] = graph.add_constant(f"{user.name}/weight", w[rows])
        last = graph.add_tensor(f"{node.name}/channels_last", x.dtype, [x.shape[axis] for axis in perm])
        graph.insert_before(
            node, Node(graph.fresh(f"{node.name}/transpose"), "Transpose", [x.name], [last], {"perm": perm})
        )
        node.inputs = [last]


def _is_map(graph: Graph, name: str) -> bool:
    """Whether a tensor comes from a window operator, through elementwise ones."""
    node = graph.producer(name)
    while node is not None and node.op in _ELEMENTWISE:
        name = next((i for i in node.inputs if not graph.tensors[i].is_constant), "")
        node = graph.producer(name)
    return node is not None and node.op in _MAPS

"""Runs a graph document, node by node."""

from collections.abc import Mapping

import numpy as np

from . import conv, convert, elementwise, matmul, movement, pool, softmax, unary
from .arithmetic import Array
from .document import Graph
from .errors import DocumentError
from .layer import Layer, Operator

OPERATORS: dict[str, Operator] = {
    **convert.OPERATORS,
    **conv.OPERATORS,
    **elementwise.OPERATORS,
    **matmul.OPERATORS,
    **movement.OPERATORS,
    **pool.OPERATORS,
    **softmax.OPERATORS,
    **unary.OPERATORS,
}


def run(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Run the graph once.

    Args:
        graph: From `load`.
        inputs: One array for each input of the graph, with exactly its dtype and shape: quantized inputs
            are given as int8.

    Returns:
        Every tensor by name: inputs, constants and the result of each node.

    Raises:
        DocumentError: An input does not fit, or a result has another shape or dtype than the document says.
        OverflowError: A sum of int8 products leaves int32.
    """
    if set(inputs) != set(graph.inputs):
        raise DocumentError(f"inputs given: {sorted(inputs)}; the graph has {sorted(graph.inputs)}")
    values = {name: tensor.data for name, tensor in graph.tensors.items() if tensor.data is not None}
    for name, value in inputs.items():
        _check(graph, name, value, "input")
        values[name] = value
    # The page defines what infinities and NaNs do, so they are no reason for NumPy to warn.
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            (name,) = node.outputs
            values[name] = OPERATORS[node.op](Layer(graph, node, values))
            _check(graph, name, values[name], node.name)
    return values


def _check(graph: Graph, name: str, value: Array, source: str) -> None:
    tensor = graph.tensors[name]
    if value.shape != tensor.shape or value.dtype != tensor.dtype:
        raise DocumentError(
            f"{source}: tensor {name!r} is {value.dtype}{list(value.shape)}, "
            f"the document says {tensor.dtype}{list(tensor.shape)}"
        )

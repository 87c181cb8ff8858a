"""Runs a graph document, node by node."""

import math
from collections.abc import Mapping

import numpy as np

from . import (
    algebra,
    any_windows,
    conv,
    convert,
    detection,
    elementwise,
    features,
    indexing,
    matmul,
    movement,
    pool,
    quantized,
    recurrent,
    reduction,
    resize,
    sampling,
    scalar,
    softmax,
    unary,
)
from .arithmetic import Array
from .document import Graph
from .errors import DocumentError
from .layer import Layer, Operator

OPERATORS: dict[str, Operator] = {
    **algebra.OPERATORS,
    **any_windows.OPERATORS,
    **conv.OPERATORS,
    **convert.OPERATORS,
    **detection.OPERATORS,
    **elementwise.OPERATORS,
    **features.OPERATORS,
    **indexing.OPERATORS,
    **matmul.OPERATORS,
    **movement.OPERATORS,
    **pool.OPERATORS,
    **quantized.OPERATORS,
    **recurrent.OPERATORS,
    **reduction.OPERATORS,
    **resize.OPERATORS,
    **sampling.OPERATORS,
    **scalar.OPERATORS,
    **softmax.OPERATORS,
    **unary.OPERATORS,
}


def run(
    graph: Graph, inputs: Mapping[str, Array], state: Mapping[str, Array] | None = None
) -> dict[str, Array]:
    """Run the graph once.

    Args:
        graph: From `load`.
        inputs: One array for each input of the graph, with exactly its dtype and shape: quantized inputs
            are given as int8.
        state: What `next_state` made of the run before; without it the state is zeros.

    Returns:
        Every tensor by name: inputs, constants and the result of each node. Those whose size depends on data
        have the size that they came out with.

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
    for name in graph.state:
        values[name] = np.zeros(graph.tensors[name].shape, graph.tensors[name].dtype)
    for name, value in (state or {}).items():
        _check(graph, name, value, "state")
        values[name] = value
    # The page defines what infinities and NaNs do, so they are no reason for NumPy to warn.
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            made = OPERATORS[node.op](Layer(graph, node, values))
            results = made if isinstance(made, tuple) else (made,)
            for name, value in zip(node.outputs, results, strict=True):
                _check(graph, name, value, node.name)
                values[name] = value
    for name, dims in graph.dims.items():
        shape = values[dims].tolist()
        values[name] = values[name].reshape(-1)[: math.prod(shape)].reshape(shape)
    return values


def next_state(graph: Graph, values: Mapping[str, Array]) -> dict[str, Array]:
    """The state after the run that gave ``values``; one that is not finite leaves it as it was."""
    ends = [values[name] for name in (*graph.outputs, *graph.state.values())]
    finite = all(np.isfinite(value).all() for value in ends if value.dtype == np.float32)
    return {name: values[successor if finite else name] for name, successor in graph.state.items()}


def _check(graph: Graph, name: str, value: Array, source: str) -> None:
    tensor = graph.tensors[name]
    if value.shape != tensor.shape or value.dtype != tensor.dtype:
        raise DocumentError(
            f"{source}: tensor {name!r} is {value.dtype}{list(value.shape)}, "
            f"the document says {tensor.dtype}{list(tensor.shape)}"
        )

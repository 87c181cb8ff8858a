"""Folds a scale or a shift for each channel into the Conv, Gemm or MatMul that it follows.

BatchNormalization is the common case; an Add of a bias, or a Mul by a constant, are the same thing.
Computed in float64 and rounded once. Runs before clamps are fused: a clamp in between ends the chain.
"""

import numpy as np

from controller.compiler.ir import FLOAT, Array, Graph, Node

_PRODUCTS = ("Conv", "Gemm", "MatMul")


def fold_affine(graph: Graph) -> None:
    """Fold as long as an affine operator follows a product that only it reads."""
    for node in list(graph.nodes):
        if node.op in _PRODUCTS and graph.tensors[node.inputs[1]].is_constant:
            while (user := graph.sole_consumer(node.output)) is not None and _fold(graph, node, user):
                pass


def _fold(graph: Graph, node: Node, user: Node) -> bool:
    affine = _affine(graph, node, user)
    if affine is None or graph.tensors[user.output].shape != graph.tensors[node.output].shape:
        return False
    scale, shift = affine
    w = graph.tensors[node.inputs[1]]
    channels = scale.shape[0]
    bias = graph.constant(node.inputs[2]) if len(node.inputs) > 2 else np.zeros(channels)
    if bias is None:
        return False
    wide = scale.reshape(-1, *(1,) * (len(w.shape) - 1)) if node.op == "Conv" else scale
    new_weights = (w.value.astype(np.float64) * wide).astype(FLOAT)
    new_bias = (bias.astype(np.float64) * scale + shift).astype(FLOAT)
    changed = not np.all(scale == 1)
    weight_name = graph.add_constant(f"{node.name}/weight", new_weights) if changed else node.inputs[1]
    node.inputs = [node.inputs[0], weight_name, graph.add_constant(f"{node.name}/bias", new_bias)]
    node.outputs = [user.output]
    graph.remove(user)
    return True


def _affine(graph: Graph, node: Node, user: Node) -> tuple[Array, Array] | None:
    """(scale, shift), each float64 [channels], if that is what `user` does to the output of `node`."""
    rank = len(graph.tensors[node.output].shape)
    axis = 1 if node.op == "Conv" else rank - 1
    channels = graph.tensors[node.output].shape[axis]
    if user.op == "BatchNormalization" and axis == 1:
        scale, shift = (graph.tensors[name].value.astype(np.float64) for name in user.inputs[1:])
        return scale, shift
    if user.op not in ("Add", "Sub", "Mul", "Div") or user.attrs:
        return None
    first = user.inputs[0] == node.output
    values = _per_channel(graph.constant(user.inputs[1 if first else 0]), axis, channels, rank)
    if values is None or (user.op == "Div" and not (first and np.all(values != 0))):
        return None
    ones, zeros = np.ones(channels), np.zeros(channels)
    if user.op in ("Add", "Sub"):
        sign = -1.0 if user.op == "Sub" else 1.0
        return (ones, sign * values) if first else (sign * ones, values)
    return (values if user.op == "Mul" else 1 / values), zeros


def _per_channel(data: Array | None, axis: int, channels: int, rank: int) -> Array | None:
    """A constant as float64 [channels], if it differs along the channels only."""
    if data is None or data.ndim > rank:
        return None
    shape = (1,) * (rank - data.ndim) + data.shape
    if any(size != 1 for index, size in enumerate(shape) if index != axis):
        return None
    return np.broadcast_to(data.reshape(-1).astype(np.float64), (channels,))

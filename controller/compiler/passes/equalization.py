"""Makes the channels between two products of similar size, so that one int8 scale fits them all.

Cross-layer equalization: M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
Correction", 2019, section 4.1. Factors are powers of two, so that the float function stays the same to the
bit. Not among the passes that always run: what is between two equalized products is no longer the value
that the ONNX file calls by that name. Runs after clamps were fused.
"""

import math

import numpy as np

from controller.compiler.ir import FLOAT, Array, Graph, Node

_ROUNDS = 20
_LARGEST = 20.0
"""Of the exponents of factors: bounds what channels of nothing could ask for."""
_COMMUTES = ("MaxPool", "AveragePool", "GlobalAveragePool")


def cross_layer_equalization(graph: Graph) -> dict[str, Array]:
    """Divide output channels of one product by factors, multiply the inputs of the next by them.

    Returns:
        For every tensor that changed: float64 [channels], by what its channels were divided.
    """
    pairs = [pair for node in graph.nodes if (pair := _pair(graph, node)) is not None]
    names = {name for pair in pairs for name in _weights(pair)}
    weights = {name: graph.tensors[name].value.astype(np.float64) for name in names}
    exponents = {id(pair): np.zeros(_channels(graph, pair), np.float64) for pair in pairs}
    for _ in range(_ROUNDS):
        steps = [_balance(pair, weights, exponents[id(pair)]) for pair in pairs]
        if not any(steps):
            break
    divisors: dict[str, Array] = {}
    for pair in pairs:
        if exponents[id(pair)].any():
            factors = 2.0 ** exponents[id(pair)]
            _divide_bias(graph, pair[0], factors)
            divisors |= dict.fromkeys((node.output for node in pair[:-1]), factors)
    for node in {id(n): n for pair in pairs for n in (pair[0], pair[-1])}.values():
        changed = weights[node.inputs[1]].astype(FLOAT)
        if not np.array_equal(changed, graph.tensors[node.inputs[1]].value):
            node.inputs[1] = graph.add_constant(f"{node.name}/weight", changed)
    return divisors


def _pair(graph: Graph, node: Node) -> tuple[Node, ...] | None:
    """A product, what is between and treats channels alike, and the product that alone reads it."""
    if not _is_product(graph, node):
        return None
    chain = [node]
    while True:
        user = graph.sole_consumer(chain[-1].output)
        # Relu does not mind a positive factor; other bounds do.
        low, high = chain[-1].attrs.get("clamp", (-math.inf, math.inf))
        if user is None or low not in (0, -math.inf) or high != math.inf:
            return None
        if user.inputs[0] != chain[-1].output:
            return None
        chain.append(user)
        if _is_product(graph, user):
            return tuple(chain)
        if user.op not in _COMMUTES:
            return None


def _is_product(graph: Graph, node: Node) -> bool:
    """A Conv with constants that nobody else reads, so that they may be changed."""
    constants = node.inputs[1:]
    return (
        node.op == "Conv"
        and graph.tensors[node.inputs[0]].dtype == FLOAT
        and all(graph.tensors[name].is_constant for name in constants)
        and all(len(graph.consumers(name)) == 1 for name in constants)
    )


def _weights(pair: tuple[Node, ...]) -> tuple[str, str]:
    return pair[0].inputs[1], pair[-1].inputs[1]


def _channels(graph: Graph, pair: tuple[Node, ...]) -> int:
    return graph.tensors[pair[0].output].shape[1]


def _balance(pair: tuple[Node, ...], weights: dict[str, Array], exponents: Array) -> bool:
    """One step for one pair; whether anything changed."""
    first, second = _weights(pair)
    w1, w2 = weights[first], weights[second]
    # [group, output channel of the group, input channel of the group, position]
    groups = len(exponents) // w2.shape[1]
    reading = w2.reshape(groups, len(w2) // groups, w2.shape[1], -1)
    r1 = np.abs(w1).reshape(len(w1), -1).max(1)
    r2 = np.abs(reading).max((1, 3)).reshape(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where((r1 > 0) & (r2 > 0), np.rint(np.log2(r1 / r2) / 2), 0.0)
    step = np.clip(exponents + step, -_LARGEST, _LARGEST) - exponents
    exponents += step
    factors = 2.0**step
    weights[first] = w1 / factors.reshape(-1, *(1,) * (w1.ndim - 1))
    weights[second] = (reading * factors.reshape(groups, 1, -1, 1)).reshape(w2.shape)
    return bool(step.any())


def _divide_bias(graph: Graph, node: Node, factors: Array) -> None:
    if len(node.inputs) > 2:
        bias = graph.tensors[node.inputs[2]].value.astype(np.float64) / factors
        node.inputs[2] = graph.add_constant(f"{node.name}/bias", bias.astype(FLOAT))

"""Recognizes HardSigmoid and HardSwish that were exported as their arithmetic.

Runs before affine operators are folded and clips are fused, which would take the pattern apart.
"""

import numpy as np

from controller.compiler.ir import Graph, Node

_SIXTH = 1 / 6


def fuse_hard_swish(graph: Graph) -> None:
    """clip(x + 3, 0, 6) / 6 and x · clip(x + 3, 0, 6) / 6, in either order of product and quotient."""
    for node in list(graph.nodes):
        if node in graph.nodes:
            _hard_sigmoid(graph, node)
    for node in list(graph.nodes):
        if node in graph.nodes:
            _product_first(graph, node)
            _gate(graph, node)


def _scalar(graph: Graph, name: str) -> float | None:
    data = graph.constant(name)
    return float(data.reshape(-1)[0]) if data is not None and data.size == 1 else None


def _scaled_by_sixth(graph: Graph, node: Node) -> str | None:
    """The tensor that `node` divides by 6, if that is what it does."""
    if node.op == "Div" and _scalar(graph, node.inputs[1]) == 6:
        return node.inputs[0]
    if node.op == "Mul":
        for value, other in (node.inputs, node.inputs[::-1]):
            factor = _scalar(graph, other)
            if factor is not None and np.isclose(factor, _SIXTH, rtol=1e-6):
                return value
    return None


def _shifted_clip(graph: Graph, name: str) -> str | None:
    """The tensor x, if `name` is clip(x + 3, 0, 6)."""
    clip = graph.producer(name)
    if clip is None or clip.op != "Clip" or list(clip.attrs["clamp"]) != [0, 6]:
        return None
    add = graph.producer(clip.inputs[0])
    if add is None or add.op != "Add":
        return None
    for value, other in (add.inputs, add.inputs[::-1]):
        if _scalar(graph, other) == 3 and graph.tensors[value].shape == graph.tensors[name].shape:
            return value
    return None


def _hard_sigmoid(graph: Graph, node: Node) -> None:
    inner = _scaled_by_sixth(graph, node)
    x = _shifted_clip(graph, inner) if inner is not None else None
    if x is not None and graph.tensors[x].shape == graph.tensors[node.output].shape:
        node.op, node.inputs = "HardSigmoid", [x]
        node.attrs = {"alpha": float(np.float32(_SIXTH)), "beta": 0.5}
        _forget(graph)


def _product_first(graph: Graph, node: Node) -> None:
    """(x · clip(x + 3, 0, 6)) / 6."""
    inner = _scaled_by_sixth(graph, node)
    mul = graph.producer(inner) if inner is not None else None
    if mul is None or mul.op != "Mul":
        return
    for value, gate in (mul.inputs, mul.inputs[::-1]):
        if (
            _shifted_clip(graph, gate) == value
            and graph.tensors[node.output].shape == graph.tensors[value].shape
        ):
            node.op, node.inputs, node.attrs = "HardSwish", [value], {}
            _forget(graph)
            return


def _gate(graph: Graph, node: Node) -> None:
    """A product x · HardSigmoid(x) with slope 1/6."""
    if node.op != "Mul":
        return
    for value, gate in (node.inputs, node.inputs[::-1]):
        maker = graph.producer(gate)
        if (
            maker is not None
            and maker.op == "HardSigmoid"
            and maker.inputs == [value]
            and np.isclose(maker.attrs["alpha"], _SIXTH, rtol=1e-6)
            and maker.attrs["beta"] == 0.5
        ):
            node.op, node.inputs, node.attrs = "HardSwish", [value], {}
            _forget(graph)
            return


def _forget(graph: Graph) -> None:
    """Drop nodes that lost their last reader, so that sole consumers are seen as such."""
    wanted = set(graph.outputs) | {name for node in graph.nodes for name in node.inputs}
    dead = [node for node in graph.nodes if not wanted.intersection(node.outputs)]
    for node in dead:
        graph.remove(node)
    if dead:
        _forget(graph)

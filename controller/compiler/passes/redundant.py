"""Removes operators that change nothing, and merges chains of views and transpositions."""

import math

from controller.compiler.ir import Graph, Node
from controller.compiler.ir.operators import VIEWS


def remove_redundant(graph: Graph) -> None:
    """Identity, reshapes to the same shape, clips without bounds; views of views, two transpositions."""
    for node in list(graph.nodes):
        _merge_chain(graph, node)
        if _changes_nothing(graph, node):
            graph.bypass(node)


def _changes_nothing(graph: Graph, node: Node) -> bool:
    if not node.inputs or graph.tensors[node.inputs[0]].is_constant:
        return False
    if node.op in VIEWS:
        return graph.tensors[node.inputs[0]].shape == graph.tensors[node.output].shape
    if node.op == "Transpose":
        return list(node.attrs["perm"]) == sorted(node.attrs["perm"])
    if node.op == "Concat":
        return len(node.inputs) == 1
    return node.op in ("Relu", "Clip") and list(node.attrs["clamp"]) == [-math.inf, math.inf]


def _merge_chain(graph: Graph, node: Node) -> None:
    """Let a view or a transposition read what the one before it reads."""
    if node.op not in VIEWS and node.op != "Transpose":
        return
    before = graph.producer(node.inputs[0])
    if before is None or len(before.outputs) != 1:
        return
    if node.op in VIEWS and before.op in VIEWS:
        node.inputs = [before.inputs[0]]
        node.op = before.op if node.op == "Identity" else node.op
    elif node.op == "Transpose" and before.op == "Transpose":
        node.inputs = [before.inputs[0]]
        node.attrs["perm"] = [before.attrs["perm"][axis] for axis in node.attrs["perm"]]
    if not graph.consumers(before.output) and before.output not in graph.results:
        graph.remove(before)

"""Removes what no output depends on."""

from controller.compiler.ir import Graph


def remove_dead_code(graph: Graph) -> None:
    """Drop nodes whose results nobody reads, then tensors that nobody names."""
    wanted = set(graph.results)
    kept = []
    for node in reversed(graph.nodes):
        if wanted.intersection(node.outputs):
            kept.append(node)
            wanted.update(node.inputs)
    graph.nodes = kept[::-1]
    named = wanted | {*graph.inputs, *graph.state} | {name for node in graph.nodes for name in node.outputs}
    graph.tensors = {name: tensor for name, tensor in graph.tensors.items() if name in named}

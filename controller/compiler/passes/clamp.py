"""Fuses Relu and Clip into the operator that makes their input."""

from controller.compiler.ir import Clamp, Graph, Node
from controller.compiler.ir.operators import OPERATORS


def fuse_clamp(graph: Graph) -> None:
    """Every operator that has a `clamp` takes the one that follows, if nobody else reads its result."""
    for node in list(graph.nodes):
        operator = OPERATORS[node.op]
        if "clamp" not in operator.attrs | operator.optional:
            continue
        while (user := graph.sole_consumer(node.output)) is not None and user.op in ("Relu", "Clip"):
            node.attrs["clamp"] = list(compose(node, user))
            node.outputs = list(user.outputs)
            graph.remove(user)


def compose(node: Node, user: Node) -> Clamp:
    """The bounds of clipping by `node` and then by `user`."""
    low, high = user.attrs["clamp"]
    if "clamp" not in node.attrs:
        return low, high
    inner_low, inner_high = node.attrs["clamp"]
    return min(max(inner_low, low), high), min(max(inner_high, low), high)

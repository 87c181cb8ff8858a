"""Turns pairs of graph input and output into state that the module keeps between runs."""

from collections.abc import Mapping

from controller.compiler.errors import StateError
from controller.compiler.ir import Graph


def carry(graph: Graph, state: Mapping[str, str], where: str) -> None:
    """Take inputs and outputs off the graph's border and carry the one into the other.

    Args:
        graph: As imported; changed in place.
        state: Name of each input that becomes state, with the output that takes its place for the next run.
        where: For messages.

    Raises:
        StateError: A name is no input or output, a pair differs in type or shape, or two share an output.
    """
    for name, successor in state.items():
        pair = f"{name}={successor}"
        if name not in graph.inputs:
            raise StateError(
                f"--state {pair}: {name} is not an input", where=where, remedy=_choice("inputs", graph.inputs)
            )
        if successor not in graph.outputs:
            what = "carries two inputs" if successor in graph.state.values() else "is not an output"
            raise StateError(
                f"--state {pair}: {successor} {what}", where=where, remedy=_choice("outputs", graph.outputs)
            )
        before, after = graph.tensors[name], graph.tensors[successor]
        if (before.dtype, before.shape) != (after.dtype, after.shape) or successor in graph.dims:
            raise StateError(
                f"--state {pair}: {name} is {before.dtype}{list(before.shape)} and "
                f"{successor} is {after.dtype}{list(after.shape)}",
                where=where,
                remedy="state keeps its type and shape: pair other names, or give --shape",
            )
        graph.inputs.remove(name)
        graph.outputs.remove(successor)
        graph.state[name] = successor
    if state and not graph.outputs:
        raise StateError(
            "--state leaves the model without an output", where=where, remedy="carry fewer of its outputs"
        )


def _choice(kind: str, names: list[str]) -> str:
    return f"{kind}: {', '.join(names) or 'none left'}"

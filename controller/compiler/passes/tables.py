"""Merges int8 tables that follow each other: T2[T1[x]] is a table too, and gives the same bits."""

import numpy as np

from controller.compiler.ir import Array, Graph


def merge_tables(graph: Graph) -> None:
    """A Table whose only reader is a Table becomes one with it."""
    for node in list(graph.nodes):
        if node.op != "Table":
            continue
        while (user := graph.sole_consumer(node.output)) is not None and user.op == "Table":
            first, second = _table(graph, node.inputs[1]), _table(graph, user.inputs[1])
            merged = second[first.astype(np.int64) + 128]
            node.inputs[1] = graph.add_constant(f"{node.name}/table", merged)
            if node.attrs["function"] == "Requantize":
                node.attrs["function"] = user.attrs["function"]
            elif user.attrs["function"] != "Requantize":
                node.attrs["function"] += f"+{user.attrs['function']}"
            node.outputs = list(user.outputs)
            graph.remove(user)


def _table(graph: Graph, name: str) -> Array:
    return graph.tensors[name].value

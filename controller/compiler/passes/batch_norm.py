"""Writes a BatchNormalization that follows no product with the operators of a graph document.

Runs after `fold_affine`, which takes the others.
"""

import numpy as np

from controller.compiler.ir import FLOAT, Graph, Node


def split_batch_norm(graph: Graph) -> None:
    """A depthwise 1x1 Conv on maps, a Mul and an Add on vectors."""
    for node in list(graph.nodes):
        if node.op != "BatchNormalization":
            continue
        scale, shift = (graph.tensors[name].value for name in node.inputs[1:])
        shape, channels = graph.tensors[node.output].shape, len(scale)
        if len(shape) in (3, 4):
            spatial = len(shape) - 2
            weight = graph.add_constant(f"{node.name}/weight", scale.reshape(channels, 1, *(1,) * spatial))
            node.op, node.inputs = "Conv", [node.inputs[0], weight, node.inputs[2]]
            node.attrs = {
                "kernel_shape": [1] * spatial,
                "strides": [1] * spatial,
                "pads": [0] * (2 * spatial),
                "dilations": [1] * spatial,
                "group": channels,
            }
            continue
        wide = (channels, *(1,) * (len(shape) - 2))
        scaled = graph.add_tensor(f"{node.name}/scaled", FLOAT, shape)
        factor = graph.add_constant(f"{node.name}/factor", np.reshape(scale, wide))
        addend = graph.add_constant(f"{node.name}/addend", np.reshape(shift, wide))
        graph.insert_before(
            node, Node(graph.fresh(f"{node.name}/scale"), "Mul", [node.inputs[0], factor], [scaled])
        )
        node.op, node.inputs = "Add", [scaled, addend]

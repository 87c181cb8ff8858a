"""Pad: folded into the window that follows, else written as Concat with constants."""

import math
from typing import Any

import numpy as np

from controller.compiler.ir import Graph, Node


def fuse_pad(graph: Graph) -> None:
    """Zeros before a Conv or an AveragePool, -inf before a MaxPool, become the pads of that operator."""
    for node in list(graph.nodes):
        if not _is_known(node):
            continue
        user = graph.sole_consumer(node.output)
        rank = len(graph.tensors[node.output].shape)
        pads = node.attrs.get("pads", [])
        if user is None or user.inputs[0] != node.output or any((*pads[:2], *pads[rank : rank + 2])):
            continue
        if not _absorbs(graph, user, node.attrs["value"]):
            continue
        spatial = [*pads[2:rank], *pads[rank + 2 :]]
        user.attrs["pads"] = [a + b for a, b in zip(user.attrs["pads"], spatial, strict=True)]
        if user.op == "AveragePool":
            user.attrs["count_include_pad"] = 1
        user.inputs[0] = node.inputs[0]
        graph.remove(node)


def _is_known(node: Node) -> bool:
    """Whether a node is a Pad by a constant, of amounts that are known."""
    return node.op == "Pad" and "pads" in node.attrs


def _absorbs(graph: Graph, user: Node, value: float) -> bool:
    if user.op == "Conv":
        return value == 0
    if user.op == "MaxPool":
        return value == -math.inf
    if user.op != "AveragePool" or value != 0 or any(user.attrs["pads"]):
        return False
    # With ceil_mode the last window may reach beyond the pads, and those positions do not count.
    attrs: dict[str, Any] = user.attrs
    sizes = graph.tensors[user.inputs[0]].shape[2:]
    outs = graph.tensors[user.output].shape[2:]
    return all(
        (out - 1) * stride + (kernel - 1) * dilation < size
        for size, out, stride, kernel, dilation in zip(
            sizes, outs, attrs["strides"], attrs["kernel_shape"], attrs["dilations"], strict=True
        )
    )


def split_pad(graph: Graph) -> None:
    """One Concat with constant blocks for each padded axis. Runs after `fuse_pad`."""
    for node in list(graph.nodes):
        if not _is_known(node):
            continue
        pads, value = node.attrs["pads"], node.attrs["value"]
        x = graph.tensors[node.inputs[0]]
        axes = [axis for axis in range(len(x.shape)) if pads[axis] or pads[axis + len(x.shape)]]
        current, shape = x.name, list(x.shape)
        for axis in axes:
            before, after = pads[axis], pads[axis + len(x.shape)]
            parts = []
            for side, count in (("begin", before), ("end", after)):
                block = [*shape[:axis], count, *shape[axis + 1 :]]
                data = np.full(block, value, x.dtype)
                parts.append([graph.add_constant(f"{node.name}/{side}{axis}", data)] if count else [])
            shape[axis] += before + after
            last = axis == axes[-1]
            out = node.output if last else graph.add_tensor(f"{node.name}/padded{axis}", x.dtype, shape)
            name = node.name if last else graph.fresh(f"{node.name}/axis{axis}")
            graph.insert_before(
                node, Node(name, "Concat", [*parts[0], current, *parts[1]], [out], {"axis": axis})
            )
            current = out
        graph.remove(node)

"""The graph document: `docs/spec/graph.md`."""

from typing import Any

import numpy as np

from controller.compiler.ir.graph import FLOAT, Graph, Node, Quant, Tensor
from protocol import cbor

FORMAT = 1


def encode(graph: Graph) -> bytes:
    """The document of a graph; the same graph gives the same bytes."""
    document = {
        "format": FORMAT,
        "name": graph.name,
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "tensors": {name: _tensor(tensor) for name, tensor in graph.tensors.items()},
        **({"state": graph.state} if graph.state else {}),
        **({"dims": graph.dims} if graph.dims else {}),
        "nodes": [
            {"name": n.name, "op": n.op, "inputs": n.inputs, "outputs": n.outputs, "attrs": _attrs(n.attrs)}
            for n in graph.nodes
        ],
    }
    return cbor.encode(document)


def decode(data: bytes) -> Graph:
    """The graph of a document that `encode` wrote.

    Raises:
        CborError: The bytes are not deterministic CBOR.
    """
    document = cbor.decode(data, max_size=len(data))
    return Graph(
        document["name"],
        document["inputs"],
        document["outputs"],
        {name: _read_tensor(name, entry) for name, entry in document["tensors"].items()},
        [Node(n["name"], n["op"], n["inputs"], n["outputs"], n["attrs"]) for n in document["nodes"]],
        document.get("state", {}),
        document.get("dims", {}),
    )


def _tensor(tensor: Tensor) -> dict[str, Any]:
    entry: dict[str, Any] = {"dtype": tensor.dtype.name, "shape": list(tensor.shape)}
    if tensor.quant is not None:
        entry["scale"] = [float(scale) for scale in tensor.quant.scale]
        entry["zero_point"] = [tensor.quant.zero_point] * len(tensor.quant.scale)
        if tensor.quant.axis is not None:
            entry["axis"] = tensor.quant.axis
    if tensor.data is not None:
        entry["data"] = tensor.data.astype(tensor.dtype.newbyteorder("<")).tobytes()
    return entry


def _read_tensor(name: str, entry: dict[str, Any]) -> Tensor:
    dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
    quant = None
    if "scale" in entry:
        quant = Quant(np.array(entry["scale"], FLOAT), entry["zero_point"][0], entry.get("axis"))
    data = None
    if "data" in entry:
        data = np.frombuffer(entry["data"], dtype.newbyteorder("<")).astype(dtype).reshape(shape)
    return Tensor(name, dtype, shape, quant, data)


def _attrs(attrs: dict[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in attrs.items()}

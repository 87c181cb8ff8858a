"""A module beside the oracle, layer by layer: which output is the first that is not as it should be.

The oracle computes every tensor of the graph document from the inputs by itself; the module runs in
wasmtime through `run_layer`. A layer that only moves bytes into another order is no node of the graph
and is passed over; what it spoils shows in the next layer.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from controller.compiler import Instance, resources
from controller.inspection.errors import NoReferenceError, OtherGraphError
from protocol.module import LayerMeta, ModuleMeta

Array = NDArray[Any]


@dataclass(frozen=True)
class Difference:
    """How far an output is from the reference.

    Attributes:
        count: Elements that differ; NaNs count as one value.
        elements: All elements.
        largest: The greatest absolute difference; infinite where one is not finite.
        at: Index of that element, in ONNX's order of dimensions.
        found: Its value in the module.
        expected: Its value in the reference.
        places: Indices of the first elements that differ.
    """

    count: int
    elements: int
    largest: float
    at: tuple[int, ...]
    found: float
    expected: float
    places: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class ComparedLayer:
    """One layer's verdict; `moved` means that the graph does not know it."""

    meta: LayerMeta
    verdict: Literal["equal", "differs", "moved"]
    difference: Difference | None = None
    nonfinite: int = 0


@dataclass(frozen=True)
class Comparison:
    """All layers, in order.

    Attributes:
        first: Index of the first layer that differs, or None.
        seconds: That the reference took.
    """

    meta: ModuleMeta
    layers: tuple[ComparedLayer, ...]
    first: int | None
    seconds: float


MOST_PLACES = 8


def compare(wasm: bytes, document: bytes, inputs: Mapping[str, Array]) -> Comparison:
    """Run both on one input.

    Args:
        wasm: The module.
        document: The graph document that it was made from.
        inputs: At the module's types and shapes.

    Raises:
        OtherGraphError: The module was made from another graph.
        NoReferenceError: The oracle does not know an operator of the graph.
        LayerTrap: The module trapped.
    """
    instance = Instance(wasm)
    meta = instance.meta
    made_from = meta.provenance.get("graph")
    if made_from != sha256(document).hexdigest():
        raise OtherGraphError(meta, made_from)
    oracle = resources.oracle()
    start = time.monotonic()
    try:
        graph = oracle.load(document)
        values = oracle.run(graph, inputs)
    except (oracle.DocumentError, KeyError) as error:
        raise NoReferenceError(meta, str(error)) from error
    seconds = time.monotonic() - start
    expected = {node.name: values[node.outputs[0]] for node in graph.nodes}
    layers = tuple(
        _layer(meta.layers[index], raw, expected.get(meta.layers[index].name))
        for index, raw in instance.run_layers(inputs)
    )
    first = next((index for index, layer in enumerate(layers) if layer.verdict == "differs"), None)
    return Comparison(meta, layers, first, seconds)


def value_of(layer: LayerMeta, raw: bytes) -> Array:
    """A layer's output in ONNX's order of dimensions, from its bytes in memory."""
    order = layer.order or tuple(range(len(layer.shape)))
    memory = np.frombuffer(raw, np.dtype(layer.dtype)).reshape([layer.shape[dim] for dim in order])
    return memory.transpose(np.argsort(order))


def _layer(meta: LayerMeta, raw: bytes, expected: Array | None) -> ComparedLayer:
    found = value_of(meta, raw)
    nonfinite = int(np.count_nonzero(~np.isfinite(found))) if found.dtype.kind == "f" else 0
    if expected is None:
        return ComparedLayer(meta, "moved", nonfinite=nonfinite)
    difference = difference_of(found, expected)
    return ComparedLayer(meta, "differs" if difference else "equal", difference, nonfinite)


def difference_of(found: Array, expected: Array) -> Difference | None:
    """How two arrays of one shape differ, bit for bit but for NaNs; None if they do not."""
    if found.dtype.kind == "f":
        bits = np.dtype(f"u{found.dtype.itemsize}")
        same = (np.ascontiguousarray(found).view(bits) == np.ascontiguousarray(expected).view(bits)) | (
            np.isnan(found) & np.isnan(expected)
        )
    else:
        same = found == expected
    same = same.reshape(found.shape)
    if same.all():
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    distance = np.where(same, -1.0, np.where(np.isnan(distance), np.inf, distance))
    at = np.unravel_index(int(np.argmax(distance)), found.shape)
    places = np.argwhere(~same)[:MOST_PLACES]
    return Difference(
        count=int(np.count_nonzero(~same)),
        elements=found.size,
        largest=float(distance[at]),
        at=tuple(int(i) for i in at),
        found=found[at].item(),
        expected=expected[at].item(),
        places=tuple(tuple(int(i) for i in place) for place in places),
    )

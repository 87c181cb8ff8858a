"""The graph document (``docs/spec/graph.md``) as Python values."""

import math
from dataclasses import dataclass, field
from typing import Any

import cbor2
import numpy as np

from .arithmetic import F32, Array
from .errors import DocumentError

FORMAT = 1
_DTYPES = {
    name: np.dtype(name).newbyteorder("<")
    for name in ("int8", "uint8", "int32", "int64", "uint32", "float32", "bool")
}


@dataclass(frozen=True)
class Tensor:
    """One tensor of the graph.

    Attributes:
        scale: float32, one element, or one for each index of ``axis``; None where not quantized.
        zero_point: As many as scales.
        data: The value of a constant, else None.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    scale: Array | None = None
    zero_point: tuple[int, ...] = ()
    axis: int | None = None
    data: Array | None = None

    @property
    def s(self) -> np.float32:
        """The scale of a tensor that has one scale, a float32."""
        return F32(self.scales(1)[0])

    @property
    def z(self) -> int:
        """The zero point of a tensor that has one."""
        self.scales(1)
        return self.zero_point[0]

    def scales(self, channels: int) -> Array:
        """``channels`` scales, float32 [channels]; one scale for all is repeated."""
        if self.scale is None:
            raise DocumentError(f"tensor {self.name!r} is quantized but has no scale")
        if len(self.scale) not in (1, channels):
            raise DocumentError(f"tensor {self.name!r} has {len(self.scale)} scales for {channels} channels")
        return np.broadcast_to(self.scale, (channels,))


@dataclass(frozen=True)
class Node:
    """One layer. ``attrs`` are ONNX's, resolved, and ``clamp`` of a fused activation."""

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: dict[str, Any] = field(default_factory=dict)

    def ints(self, key: str, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """A list attribute."""
        if key not in self.attrs and default is not None:
            return default
        return tuple(int(value) for value in self.attr(key))

    def attr(self, key: str) -> Any:
        """An attribute that must be there."""
        if key not in self.attrs:
            raise DocumentError(f"{self.name} ({self.op}) has no attribute {key!r}")
        return self.attrs[key]


@dataclass(frozen=True)
class Graph:
    """A checked document: every name is defined, nodes are in an order in which they can run."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tensors: dict[str, Tensor]
    nodes: tuple[Node, ...]


def load(document: bytes) -> Graph:
    """Decode and check a graph document.

    Raises:
        DocumentError: It is not one.
    """
    try:
        raw = cbor2.loads(document)
        if raw["format"] != FORMAT:
            raise DocumentError(f"graph document has format {raw['format']!r}; this oracle reads {FORMAT}")
        graph = Graph(
            raw["name"],
            tuple(raw["inputs"]),
            tuple(raw["outputs"]),
            {name: _tensor(name, entry) for name, entry in raw["tensors"].items()},
            tuple(
                Node(n["name"], n["op"], tuple(n["inputs"]), tuple(n["outputs"]), dict(n["attrs"]))
                for n in raw["nodes"]
            ),
        )
    except (cbor2.CBORDecodeError, KeyError, TypeError, AttributeError) as error:
        raise DocumentError(f"not a graph document: {type(error).__name__}: {error}") from error
    _check_order(graph)
    return graph


def _tensor(name: str, raw: dict[str, Any]) -> Tensor:
    if raw["dtype"] not in _DTYPES:
        raise DocumentError(f"tensor {name!r} has unknown dtype {raw['dtype']!r}")
    dtype, shape = _DTYPES[raw["dtype"]], tuple(raw["shape"])
    data = None
    if "data" in raw:
        if len(raw["data"]) != math.prod(shape) * dtype.itemsize:
            raise DocumentError(f"tensor {name!r}: {len(raw['data'])} bytes of data for shape {list(shape)}")
        data = np.frombuffer(raw["data"], dtype).reshape(shape)
    scale = np.array(raw["scale"], F32) if "scale" in raw else None
    if scale is not None and [float(value) for value in scale] != list(raw["scale"]):
        raise DocumentError(f"tensor {name!r}: a scale is not a float32 value")
    zero_point = tuple(raw.get("zero_point", ()))
    if scale is not None and len(scale) != len(zero_point):
        raise DocumentError(f"tensor {name!r} has {len(scale)} scales and {len(zero_point)} zero points")
    return Tensor(name, dtype, shape, scale, zero_point, raw.get("axis"), data)


def _check_order(graph: Graph) -> None:
    """Every tensor is an input, a constant, or made by an earlier node."""
    known = set(graph.inputs) | {name for name, tensor in graph.tensors.items() if tensor.data is not None}
    for node in graph.nodes:
        for name in node.inputs:
            if name and name not in known:
                raise DocumentError(f"{node.name} ({node.op}) reads {name!r} before anything makes it")
        known.update(node.outputs)
    for name in (*graph.outputs, *known):
        if name not in known or name not in graph.tensors:
            raise DocumentError(f"tensor {name!r} is used and not declared, or declared and never made")

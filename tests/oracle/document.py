"""The graph document (``docs/spec/graph.md``) as Python values."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .arithmetic import F32, Array
from .errors import DocumentError


@dataclass(frozen=True)
class Tensor:
    """One tensor of the graph.

    Attributes:
        scale: One element, or one for each index of ``axis``; empty where not quantized.
        zero_point: As many as scales.
        data: The value of a constant, else None.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    scale: tuple[np.float32, ...] = ()
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
        if len(self.scale) not in (1, channels):
            raise DocumentError(f"tensor {self.name!r} has {len(self.scale)} scales, needed: {channels}")
        return np.broadcast_to(np.array(self.scale, F32), (channels,))


@dataclass(frozen=True)
class Node:
    """One layer. ``attrs`` are ONNX's, resolved, and ``clamp`` of a fused activation."""

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: dict[str, Any] = field(default_factory=dict)

    def ints(self, key: str) -> tuple[int, ...]:
        """An attribute that is a list of integers."""
        return tuple(int(value) for value in self.attrs[key])

    def __str__(self) -> str:
        return f"{self.name} ({self.op})"


@dataclass(frozen=True)
class Graph:
    """A whole document.

    Attributes:
        state: Tensor to the tensor that takes its place for the next run.
        dims: Output whose size depends on data to the tensor that tells its size.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tensors: dict[str, Tensor]
    nodes: tuple[Node, ...]
    state: dict[str, str] = field(default_factory=dict)
    dims: dict[str, str] = field(default_factory=dict)

"""What an operator gets to see: one node, its tensors and their values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .arithmetic import F32, Array, clip, to_int8
from .document import Graph, Node, Tensor


@dataclass(frozen=True)
class Layer:
    """A node about to run."""

    graph: Graph
    node: Node
    values: Mapping[str, Array]

    def has(self, index: int) -> bool:
        """Whether input ``index`` is given."""
        return index < len(self.node.inputs)

    def x(self, index: int) -> Array:
        """The value of input ``index``."""
        return self.values[self.node.inputs[index]]

    def tensor(self, index: int) -> Tensor:
        """The declaration of input ``index``."""
        return self.graph.tensors[self.node.inputs[index]]

    @property
    def out(self) -> Tensor:
        """The declaration of the first output."""
        return self.graph.tensors[self.node.outputs[0]]

    def is_int8(self) -> bool:
        """Which rule holds: that of quantized tensors (true), or of numbers as they are."""
        return self.tensor(0).dtype == np.int8 and bool(self.tensor(0).scale)

    def centred(self, index: int) -> Array:
        """int8 input ``index`` minus its zero point, int64."""
        return self.x(index).astype(np.int64) - self.tensor(index).z

    def clamp_int8(self) -> tuple[int, int]:
        """Bounds of the int8 output, zero point included."""
        lo, hi = self.node.attrs.get("clamp", (-128, 127))
        return int(lo), int(hi)

    def to_int8(self, v: Array) -> Array:
        """``v`` (float32, units of the output's scale) as the int8 output."""
        return to_int8(v, self.out.z, *self.clamp_int8())

    def clip(self, v: Array) -> Array:
        """``v`` within the bounds of the fused activation, if there is one (float32 only)."""
        if v.dtype != F32:
            return v
        lo, hi = self.node.attrs.get("clamp", (-np.inf, np.inf))
        return clip(v, lo, hi)


Operator = Callable[[Layer], Array | tuple[Array, ...]]
"""The result of a node; one array for each output where there are several."""

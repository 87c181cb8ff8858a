"""What a lowering sees, and the parts that several share."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from controller.compiler.errors import UnsupportedError
from controller.compiler.ir import FLOAT, INT8, Array, Graph, Node, Quant, Tensor
from controller.compiler.plan.steps import Argument, Call, Constant, Distance, Params, Slot, Step
from controller.compiler.targets import Target

_LEAST, _MOST = -64, 63


@dataclass(frozen=True)
class Site:
    """A node about to be lowered.

    Attributes:
        scratch_limit: Bytes of scratch that a kernel should not exceed if it has the choice.
    """

    graph: Graph
    node: Node
    target: Target
    scratch_limit: int | None = None

    @property
    def out(self) -> Tensor:
        """The first output."""
        return self.graph.tensors[self.node.outputs[0]]

    @property
    def outs(self) -> list[Tensor]:
        """All outputs."""
        return [self.graph.tensors[name] for name in self.node.outputs]

    @property
    def is_int8(self) -> bool:
        """Whether the rules for quantized tensors hold."""
        return self.out.dtype == INT8 and self.out.quant is not None

    def tensor(self, index: int) -> Tensor:
        """An input."""
        return self.graph.tensors[self.node.inputs[index]]

    def data(self, index: int) -> Array:
        """The value of a constant input."""
        return self.tensor(index).value

    def quant(self, index: int) -> Quant:
        """Scale and zero point of an int8 input."""
        return self.tensor(index).scaling

    @property
    def out_quant(self) -> Quant:
        """Scale and zero point of the int8 output."""
        return self.out.scaling

    def argument(self, index: int) -> Argument:
        """An input as an argument: its place in the arena, or its value as it lies in memory."""
        tensor = self.tensor(index)
        if tensor.data is None:
            return Slot(tensor.name)
        return Constant(tensor.name, np.transpose(tensor.data, tensor.memory))

    def constant(self, name: str, data: Array, *, is_weight: bool = False) -> Constant:
        """A packed constant of this node."""
        return Constant(f"{self.node.name} {name}", np.ascontiguousarray(data), is_weight)

    def bounds_s8(self) -> Params:
        """out_zero_point, out_min, out_max."""
        low, high = self.node.attrs.get("clamp", (-128, 127))
        return {"out_zero_point": self.out_quant.zero_point, "out_min": low, "out_max": high}

    def bounds_f32(self) -> Params:
        """out_min, out_max as C floats."""
        low, high = self.node.attrs.get("clamp", (-math.inf, math.inf))
        return {"out_min": FLOAT.type(low), "out_max": FLOAT.type(high)}

    def step(
        self,
        *calls: Call,
        detail: str = "",
        macs: int = 0,
        in_place: tuple[str, ...] = (),
        overlap: Distance | None = None,
        op: str = "",
    ) -> Step:
        """The layer that these calls make; none is needed for outputs without elements.

        `overlap` is from the first input.
        """
        out = self.out
        if not any(tensor.size for tensor in self.outs):
            calls = ()
        op = op or self.node.op
        outputs = tuple(self.node.outputs)
        over = None if overlap is None else (self.node.inputs[0], overlap)
        return Step(
            self.node.name, op, detail or op, outputs, out.dtype.name, out.shape, calls, macs, in_place, over
        )

    def require_narrow(self, weights: Array) -> None:
        """Refuse weights that the target's products do not take.

        Raises:
            UnsupportedError: Weights of 8 bits for a target of 7.
        """
        if self.target.relaxed and (weights.min() < _LEAST or weights.max() > _MOST):
            raise UnsupportedError(
                self.node.name,
                self.node.op,
                f"its weights reach from {weights.min()} to {weights.max()}; target {self.target.name} takes "
                f"{_LEAST} to {_MOST}",
                remedy="compile the float model with calibration data: its weights get 7 bits for this "
                "target; or --target simd",
            )


Lowering = Callable[[Site], Step]


def multipliers(x: Quant, w: Quant, y: Quant, channels: int) -> Array:
    """`f32(f32(sx · sw) / sy)` for each output channel."""
    result: Array = np.broadcast_to((x.s * w.scale) / y.s, (channels,))
    return result


def zeros(channels: int, dtype: np.dtype[Any]) -> Array:
    """The bias of an operator that has none."""
    return np.zeros(channels, dtype)

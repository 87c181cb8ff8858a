"""The graph: tensors and nodes, as ONNX means them.

One kind of node from frontend to plan. Nodes stand in an order in which they can run. Passes change
a graph in place through the methods here; `verify` says what is legal.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]
Clamp = tuple[float, float]

FLOAT = np.dtype(np.float32)
INT8 = np.dtype(np.int8)


@dataclass(frozen=True)
class Quant:
    """How the integers of a tensor stand for reals: (q - zero_point) · scale.

    Attributes:
        scale: float32 [1], or [shape[axis]].
        zero_point: One integer for all.
        axis: The dimension along which scales differ, or None.
    """

    scale: Array
    zero_point: int
    axis: int | None = None

    @classmethod
    def per_tensor(cls, scale: float | np.floating[Any], zero_point: int) -> "Quant":
        """One scale for the whole tensor; it is rounded to float32."""
        return cls(np.array([scale], np.float32), zero_point)

    @property
    def s(self) -> np.float32:
        """The scale of a tensor that has only one."""
        if self.axis is not None:
            raise ValueError("the tensor has a scale for each channel")
        return np.float32(self.scale[0])

    def same(self, other: "Quant | None") -> bool:
        """Whether equal integers mean equal reals."""
        return (
            other is not None
            and self.axis == other.axis
            and self.zero_point == other.zero_point
            and bool(np.array_equal(self.scale, other.scale))
        )


@dataclass(eq=False)
class Tensor:
    """A value that flows along an edge, or a constant.

    Attributes:
        shape: Static, in ONNX's order of dimensions.
        quant: For quantized tensors.
        data: The value of a constant.
        order: The dimensions as they lie in memory, outermost first. Set by the layout pass; until then
            memory order is nobody's business.
    """

    name: str
    dtype: np.dtype[Any]
    shape: Shape
    quant: Quant | None = None
    data: Array | None = None
    order: tuple[int, ...] | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.size * self.dtype.itemsize

    @property
    def is_constant(self) -> bool:
        """Whether the value is known when compiling."""
        return self.data is not None

    @property
    def value(self) -> Array:
        """The value of a tensor that is known to be constant."""
        if self.data is None:
            raise ValueError(f"{self.name} is not a constant")
        return self.data

    @property
    def scaling(self) -> Quant:
        """Scale and zero point of a tensor that is known to be quantized."""
        if self.quant is None:
            raise ValueError(f"{self.name} is not quantized")
        return self.quant

    @property
    def memory(self) -> tuple[int, ...]:
        """Memory order of a tensor that has one."""
        if self.order is None:
            raise ValueError(f"{self.name} has no memory order yet")
        return self.order


@dataclass(eq=False)
class Node:
    """One operator, under the name of the ONNX node it came from."""

    name: str
    op: str
    inputs: list[str]
    outputs: list[str]
    attrs: dict[str, Any] = field(default_factory=dict)

    @property
    def output(self) -> str:
        """The output of an operator that has one."""
        (name,) = self.outputs
        return name


@dataclass(eq=False)
class Graph:
    """A network.

    Attributes:
        name: Name of the model.
        inputs: Names of the tensors that a caller gives, in ONNX's order.
        outputs: Names of the tensors that a caller gets, in ONNX's order.
        tensors: Every tensor by name.
        nodes: In an order in which they can run.
        state: Tensors that outlive a run, each with the tensor that takes its place for the next one. They
            start as zeros.
        dims: For outputs whose size depends on data, and which are declared at their largest: the tensor,
            int32 [rank], that tells their size after a run.
        scales: What the file itself says about float tensors: the scale at which they are quantized there.
            Of weights that it holds as integers, under the name of their float values.
    """

    name: str
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    state: dict[str, str] = field(default_factory=dict)
    dims: dict[str, str] = field(default_factory=dict)
    scales: dict[str, Quant] = field(default_factory=dict)

    @property
    def results(self) -> list[str]:
        """Tensors that are needed after the last node: outputs, their sizes, and the next state."""
        return [*self.outputs, *self.dims.values(), *self.state.values()]

    def producer(self, tensor: str) -> Node | None:
        """The node that makes a tensor; None for inputs and constants."""
        return next((node for node in self.nodes if tensor in node.outputs), None)

    def producers(self) -> dict[str, Node]:
        """The node that makes each tensor."""
        return {name: node for node in self.nodes for name in node.outputs}

    def consumers(self, tensor: str) -> list[Node]:
        """The nodes that read a tensor, each once."""
        return [node for node in self.nodes if tensor in node.inputs]

    def sole_consumer(self, tensor: str) -> Node | None:
        """The node that reads a tensor, if it is the only one and nobody outside sees the tensor."""
        users = self.consumers(tensor)
        return users[0] if len(users) == 1 and tensor not in self.results else None

    def constant(self, tensor: str) -> Array | None:
        """The value of a constant, else None."""
        return self.tensors[tensor].data

    def fresh(self, name: str) -> str:
        """`name`, or `name` with a number if a tensor or a node has it already."""
        taken = self.tensors.keys() | {node.name for node in self.nodes}
        candidate, number = name, 1
        while candidate in taken:
            number += 1
            candidate = f"{name}_{number}"
        return candidate

    def add_constant(self, name: str, data: Array, quant: Quant | None = None) -> str:
        """A new constant; returns the name it got."""
        name = self.fresh(name)
        data = np.ascontiguousarray(data).reshape(np.shape(data))
        self.tensors[name] = Tensor(name, data.dtype, data.shape, quant, data)
        return name

    def add_tensor(
        self, name: str, dtype: np.dtype[Any], shape: Iterable[int], quant: Quant | None = None
    ) -> str:
        """A new tensor that a node will make; returns the name it got."""
        name = self.fresh(name)
        self.tensors[name] = Tensor(name, dtype, tuple(shape), quant)
        return name

    def insert_before(self, place: Node, node: Node) -> None:
        """Put a node in front of another."""
        self.nodes.insert(self.nodes.index(place), node)

    def insert_after(self, place: Node, node: Node) -> None:
        """Put a node behind another."""
        self.nodes.insert(self.nodes.index(place) + 1, node)

    def remove(self, node: Node) -> None:
        """Take a node out; its tensors stay until dead code is removed."""
        self.nodes.remove(node)

    def bypass(self, node: Node) -> bool:
        """Take out a node that changes nothing: who read its output reads its first input.

        Returns:
            False, and nothing is changed, if both ends of the node are visible from outside: then
            something has to move the value from one to the other.
        """
        source, target = node.inputs[0], node.output
        if target in self.results:
            producer = self.producer(source)
            if producer is None or source in self.results:
                return False
            # The name that people see wins: the producer makes the output itself.
            self.tensors[target].quant = self.tensors[source].quant
            producer.outputs = [target if name == source else name for name in producer.outputs]
            self.nodes.remove(node)
            self._rename_uses(source, target)
            return True
        self.nodes.remove(node)
        self._rename_uses(target, source)
        return True

    def _rename_uses(self, old: str, new: str) -> None:
        for node in self.nodes:
            node.inputs = [new if name == old else name for name in node.inputs]

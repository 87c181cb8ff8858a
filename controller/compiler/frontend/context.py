"""What the importer of one operator sees, and how it writes the graph."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
import onnx

from controller.compiler.errors import UnsupportedError
from controller.compiler.ir import FLOAT, Array, Graph, Node, Shape, Tensor
from controller.compiler.ir.operators import OPERATORS

DOCS = "docs/operators.md"


@dataclass
class Context:
    """One ONNX node on its way into the graph.

    Attributes:
        node: The node; it has a unique name.
        opset: Of the model.
        where: For messages.
        graph: What is written to; every input of the node is a tensor there.
        types: Types and shapes of the node's outputs, by name; a shape that depends on data is None.
        dims: Filled by `size_depends_on_data`.
    """

    node: onnx.NodeProto
    opset: int
    where: str
    graph: Graph
    types: dict[str, tuple[np.dtype[Any], Shape | None]]
    dims: dict[str, str] = field(default_factory=dict)
    attrs: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.attrs = {a.name: onnx.helper.get_attribute_value(a) for a in self.node.attribute}

    @property
    def out(self) -> str:
        """Name of the first output."""
        return str(self.node.output[0])

    @property
    def out_shape(self) -> Shape:
        """Shape of the first output.

        Raises:
            UnsupportedError: It depends on data.
        """
        shape = self.types[self.out][1]
        if shape is None:
            self.refuse("the size of its output depends on data", "export the model with static shapes")
        return shape

    @property
    def out_dtype(self) -> np.dtype[Any]:
        """Type of the first output."""
        return self.types[self.out][0]

    def has(self, index: int) -> bool:
        """Whether an optional input is given."""
        return index < len(self.node.input) and self.node.input[index] != ""

    def tensor(self, index: int) -> Tensor:
        """An input."""
        return self.graph.tensors[self.node.input[index]]

    def constant(self, index: int, what: str) -> Array:
        """The value of an input that must be constant.

        Raises:
            UnsupportedError: It is computed while the model runs.
        """
        data = self.tensor(index).data
        if data is None:
            self.refuse(f"{what} is computed at run time", "export the model with it as a constant")
        return data

    def refuse(self, why: str, remedy: str | None = None) -> NoReturn:
        """Give up on this node.

        Raises:
            UnsupportedError: Always.
        """
        anchor = f"{DOCS}#{self.node.op_type.lower()}"
        remedy = f"{remedy}: {anchor}" if remedy else f"see what compiles: {anchor}"
        raise UnsupportedError(self.node.name, self.node.op_type, why, where=self.where, remedy=remedy)

    def only_output(self) -> None:
        """Refuse a node whose optional outputs are used."""
        if any(self.node.output[1:]):
            self.refuse("its optional outputs have no kernel", "export without them")

    def axis(self, value: int, rank: int) -> int:
        """An axis counted from the front.

        Raises:
            UnsupportedError: There is no such axis.
        """
        if not -rank <= value < rank:
            self.refuse(f"it has no axis {value}: its rank is {rank}", "export the model again")
        return value + rank if value < 0 else value

    def emit(  # noqa: PLR0913, PLR0917 - what one node consists of
        self,
        op: str,
        inputs: Sequence[str],
        out: str | None = None,
        shape: Shape | None = None,
        name: str | None = None,
        dtype: np.dtype[Any] | None = None,
        **attrs: Any,
    ) -> str:
        """Write one node.

        Args:
            op: Operator of the graph.
            inputs: Names of its inputs.
            out: Suffix of the output's name; the ONNX node's first output unless given.
            shape: Shape of the output; that of the ONNX node's first output unless given.
            name: Suffix of the node's name, for further nodes that one ONNX node becomes.
            dtype: Type of the output; that of the ONNX node's first output, or of the first input for
                further nodes, unless given.
            **attrs: Attributes.

        Returns:
            Name of the output.
        """
        if dtype is None:
            dtype = self.out_dtype if out is None else self.graph.tensors[inputs[0]].dtype
        if OPERATORS[op].types == "float" and dtype != FLOAT:
            self.refuse(f"it works on {dtype}, and only float32 has kernels", "export the model in float32")
        target = self.out if out is None else self.graph.fresh(f"{self.node.name}/{out}")
        self.graph.tensors[target] = Tensor(target, dtype, self.out_shape if shape is None else shape)
        node_name = self.node.name if name is None else self.graph.fresh(f"{self.node.name}/{name}")
        self.graph.nodes.append(Node(node_name, op, list(inputs), [target], attrs))
        return target

    def emit_to(self, output: str, op: str, inputs: Sequence[str], name: str, **attrs: Any) -> None:
        """Write a node that makes another output of the ONNX node than the first.

        Args:
            output: Its name.
            op: Operator of the graph.
            inputs: Names of its inputs.
            name: Suffix of the node's name.
            **attrs: Attributes.
        """
        dtype, shape = self.types[output]
        if shape is None:
            self.refuse("the size of its output depends on data", "export it with static shapes")
        self.graph.tensors[output] = Tensor(output, dtype, shape)
        node_name = self.graph.fresh(f"{self.node.name}/{name}")
        self.graph.nodes.append(Node(node_name, op, list(inputs), [output], attrs))

    def emit_all(self, op: str, inputs: Sequence[str], **attrs: Any) -> None:
        """Write one node with all outputs of the ONNX node; those that nobody named get a name."""
        outputs = []
        for index, given in enumerate(self.node.output):
            if given:
                dtype, shape = self.types[given]
                if shape is None:
                    self.refuse("the size of its output depends on data", "export it with static shapes")
                outputs.append(given)
                self.graph.tensors[given] = Tensor(given, dtype, shape)
            elif any(self.node.output[index:]):
                self.refuse("an output in the middle is left out", "name all of its outputs")
        self.graph.nodes.append(Node(self.node.name, op, list(inputs), outputs, attrs))

    def size_depends_on_data(self, out: str, dims: str) -> None:
        """Say that an output is declared at its largest.

        Args:
            out: Name of the output.
            dims: Name of the tensor, int32 [rank], that the same node makes: the size after a run.
        """
        self.dims[out] = dims

    def add_constant(self, name: str, data: Array) -> str:
        """A constant that the importer made."""
        return self.graph.add_constant(f"{self.node.name}/{name}", np.asarray(data))


Importer = Callable[[Context], None]

"""float16 is a way of storing: networks in it are computed in float32, and converted where bits are seen.

Bits are seen at the graph's border, by Cast and by BitCast. In between nothing is rounded to 16 bits, so
results are at least as exact as ONNX asks for.
"""

from collections.abc import Callable

import numpy as np

from controller.compiler.frontend.fold import Type
from controller.compiler.ir import FLOAT, Array, Graph, Node, Tensor

HALF = np.dtype(np.float16)


class Halves:
    """Which float32 tensor stands for which float16 one.

    Args:
        graph: What is written to.
        constants: By name.
        types: By name; twins are added.
        add_constant: Adds to both.
        dims: For outputs whose size depends on data, the tensor that tells it.
    """

    def __init__(
        self,
        graph: Graph,
        constants: dict[str, Array],
        types: dict[str, Type],
        add_constant: Callable[[str, Array], None],
        dims: dict[str, str],
    ) -> None:
        self._graph, self._constants, self._types = graph, constants, types
        self._add_constant = add_constant
        self._dims = dims
        self._twins: dict[str, str] = {}

    def widen(self, name: str) -> str:
        """The float32 tensor that stands for `name`, or `name` if that is no float16."""
        if not name or self._types[name][0] != HALF:
            return name
        if name not in self._twins:
            twin = self.declare(name)
            if name in self._constants:
                self._add_constant(twin, self._constants[name].astype(FLOAT))
            else:
                self._cast(name, twin)
        return self._twins[name]

    def twin(self, name: str) -> str:
        """The float32 tensor that stands for `name` so far, or `name`."""
        return self._twins.get(name, name)

    def declare(self, name: str) -> str:
        """A float32 tensor that will be made in place of `name`."""
        twin = f"{name}/float32"
        self._twins[name] = twin
        self._types[twin] = (FLOAT, self._types[name][1])
        return twin

    def narrow(self, name: str) -> None:
        """See to it that the float16 tensor itself exists."""
        if name in self._twins and name not in self._graph.tensors and name not in self._constants:
            self._cast(self._twins[name], name)

    def _cast(self, source: str, target: str) -> None:
        dtype, shape = self._types[target]
        if shape is None:
            # It depends on data: the source is declared at its largest, and so is this.
            shape = self._graph.tensors[source].shape
            self._dims[target] = self._dims[source]
        self._graph.tensors[target] = Tensor(target, dtype, shape)
        self._graph.nodes.append(Node(self._graph.fresh(f"{target}/Cast"), "Cast", [source], [target]))

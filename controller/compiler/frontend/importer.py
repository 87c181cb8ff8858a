"""Walks an ONNX graph: folds what is constant, and has each other node written by its operator's importer."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from controller.compiler.errors import BrokenModelError, IllegalGraphError, UnsupportedError
from controller.compiler.frontend.context import DOCS, Context
from controller.compiler.frontend.fold import Type, evaluate, infer, is_foldable
from controller.compiler.frontend.operators import IMPORTERS
from controller.compiler.frontend.reader import MAX_NAME, Source
from controller.compiler.frontend.shapes import input_types
from controller.compiler.ir import Array, Graph, Node, Tensor, verify

MAX_TENSOR_BYTES = 1 << 31


def import_model(source: Source, shapes: Mapping[str, Sequence[int]], name: str) -> Graph:
    """The graph of a model, every shape static, every constant folded.

    Args:
        source: From `reader.read`.
        shapes: Shapes for inputs whose size is open.
        name: Name of the graph.

    Raises:
        DynamicShapeError: A shape is still open.
        UnsupportedError: A node has no kernel.
        BrokenModelError: The model contradicts itself, or a weight is not finite.
    """
    # Overflow in a constant shows as a weight that is not finite.
    with np.errstate(all="ignore"):
        walk = _Walk(source, shapes, name)
        for node in _named(source.model.graph.node):
            walk.step(node)
        graph = walk.finish()
    try:
        verify(graph, "frontend")
    except IllegalGraphError as error:
        raise BrokenModelError(
            f"the model contradicts itself: {error.what}", where=source.where, remedy="export the model again"
        ) from error
    return graph


def _printable(name: str) -> str:
    """A node's name as people may see it: no control characters, no novel."""
    return "".join(c if c.isprintable() else "?" for c in name[:MAX_NAME])


def _named(nodes: Sequence[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Copies of the nodes, each with a name of its own."""
    result, taken = [], {_printable(node.name) for node in nodes}
    seen: set[str] = set()
    for index, node in enumerate(nodes):
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        name = stem = _printable(node.name) or f"{node.op_type}_{index}"
        number = 1
        while name in seen or (name in taken and not node.name):
            number += 1
            name = f"{stem}_{number}"
        copy.name = name
        seen.add(name)
        result.append(copy)
    return result


class _Walk:
    def __init__(self, source: Source, shapes: Mapping[str, Sequence[int]], name: str) -> None:
        self._source = source
        self._constants: dict[str, Array] = {}
        self._types: dict[str, Type] = {}
        self._graph = Graph(name)
        for input_name, (dtype, shape) in input_types(source, shapes).items():
            self._graph.inputs.append(input_name)
            self._graph.tensors[input_name] = Tensor(input_name, dtype, shape)
            self._types[input_name] = (dtype, shape)
        for proto in source.model.graph.initializer:
            self._add_constant(proto.name, self._array(proto))

    def _array(self, proto: onnx.TensorProto) -> Array:
        try:
            return onnx.numpy_helper.to_array(proto)
        except (ValueError, TypeError, KeyError) as error:
            raise BrokenModelError(
                f"tensor {proto.name} cannot be read: {error}",
                where=self._source.where,
                remedy="export it again",
            ) from error

    def _add_constant(self, name: str, data: Array) -> None:
        self._constants[name] = data
        self._types[name] = (data.dtype, data.shape)

    def step(self, node: onnx.NodeProto) -> None:
        where, opset = self._source.where, self._source.opset
        missing = [name for name in node.input if name and name not in self._types]
        if missing:
            raise BrokenModelError(
                f"node {node.name} ({node.op_type}) reads {missing[0]}, which nothing makes",
                where=where,
                remedy="export the model again",
            )
        if not is_foldable(node):
            raise UnsupportedError(
                node.name, node.op_type, "it has no kernel", where=where, remedy=f"{DOCS} lists what compiles"
            )
        types = infer(node, self._types, self._constants, opset, where)
        self._types.update(types)
        if node.op_type == "Shape":
            self._fold_shape(node)
        elif all(name in self._constants for name in node.input if name):
            for name, value in evaluate(node, self._constants, self._types, opset, where).items():
                self._add_constant(name, value)
        else:
            self._import(node, types)

    def _fold_shape(self, node: onnx.NodeProto) -> None:
        attrs = {a.name: a.i for a in node.attribute}
        sizes = self._types[node.input[0]][1][attrs.get("start", 0) : attrs.get("end")]
        self._add_constant(node.output[0], np.array(sizes, np.int64))

    def _import(self, node: onnx.NodeProto, types: Mapping[str, Type]) -> None:
        where = self._source.where
        importer = IMPORTERS.get(node.op_type)
        if importer is None:
            raise UnsupportedError(
                node.name,
                node.op_type,
                "it has no kernel",
                where=where,
                remedy=f"replace it by operators of {DOCS} and export again",
            )
        for name, (dtype, shape) in types.items():
            size = int(np.prod(shape, dtype=np.float64)) * dtype.itemsize
            if not 0 < size < MAX_TENSOR_BYTES:
                raise UnsupportedError(
                    node.name,
                    node.op_type,
                    f"{name} has shape {list(shape)}",
                    where=where,
                    remedy="check --shape",
                )
        for name in node.input:
            if name in self._constants and name not in self._graph.tensors:
                data = np.ascontiguousarray(self._constants[name]).reshape(self._constants[name].shape)
                self._graph.tensors[name] = Tensor(name, data.dtype, data.shape, data=data)
        shapes = {name: shape for name, (_, shape) in types.items()}
        importer(Context(node, self._source.opset, where, self._graph, shapes))

    def finish(self) -> Graph:
        graph = self._graph
        for value in self._source.model.graph.output:
            name = value.name
            if name in graph.inputs:
                raise BrokenModelError(
                    f"output {name} is an input of the graph", where=self._source.where, remedy="leave it out"
                )
            if name in self._constants:
                source = graph.add_constant(f"{name}/constant", self._constants[name])
                graph.tensors[name] = Tensor(name, graph.tensors[source].dtype, graph.tensors[source].shape)
                graph.nodes.append(Node(graph.fresh(f"{name}/Identity"), "Identity", [source], [name]))
            graph.outputs.append(name)
        self._refuse_nonfinite()
        return graph

    def _refuse_nonfinite(self) -> None:
        for node in self._graph.nodes:
            for name in node.inputs:
                data = self._graph.tensors[name].data
                if data is not None and data.dtype.kind == "f" and not np.all(np.isfinite(data)):
                    count = int(np.count_nonzero(~np.isfinite(data)))
                    raise BrokenModelError(
                        f"weights {name} of node {node.name} ({node.op}) hold {count} NaN or infinite values "
                        f"of {data.size}",
                        where=self._source.where,
                        remedy="the training diverged, or the file is damaged: export a sound checkpoint",
                    )

"""Walks an ONNX graph: folds what is constant, and has each other node written by its operator's importer."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import onnx

from controller.compiler.errors import BrokenModelError, IllegalGraphError, UnsupportedError
from controller.compiler.frontend.budget import Budget, unforeseen
from controller.compiler.frontend.context import DOCS, Context
from controller.compiler.frontend.control import CONTROL
from controller.compiler.frontend.fold import Type, evaluate, infer, is_foldable, type_proto
from controller.compiler.frontend.half import HALF, Halves
from controller.compiler.frontend.implied import IMPLIED
from controller.compiler.frontend.inline import default_attributes, function_of, instantiate
from controller.compiler.frontend.operators import IMPORTERS
from controller.compiler.frontend.reader import MAX_NAME, NEWEST_OPSET, Source
from controller.compiler.frontend.refusals import REASONS
from controller.compiler.frontend.rewrites import REWRITES
from controller.compiler.frontend.shapes import declared_shapes, input_types
from controller.compiler.ir import FLOAT, Array, Graph, Node, Quant, Shape, Tensor, verify
from protocol.errors import FleetError
from protocol.module import DTYPE_BYTES

MAX_TENSOR_BYTES = 1 << 31
WEIGHTED = frozenset({"BatchNormalization", "Conv", "Gemm", "MatMul"})
OPSET_OF_BLOCKS = 21
"""QuantizeLinear and DequantizeLinear as they are now."""
WRITTEN_OUT = frozenset({"HardSigmoid", "HardSwish", "Softmax"})
"""Operators that have kernels of their own for float32 only, and are functions besides."""
SEES_HALF = frozenset({"BitCast"})
"""Operators that see the bits of a float16."""


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
        culprit = next((node for node in graph.nodes if node.name == error.where), None)
        layer = f"{culprit.name} ({culprit.op})" if culprit is not None else None
        raise BrokenModelError(
            f"the model contradicts itself{f' in node {layer}' if layer else ''}: {error.what}",
            where=source.where,
            remedy="export the model again",
            layer=layer,
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
    """Writes one ONNX graph, bodies and all, into one flat graph."""

    def __init__(self, source: Source, shapes: Mapping[str, Sequence[int]], name: str) -> None:
        self._source = source
        self.where = source.where
        self._budget = Budget(source)
        self._constants: dict[str, Array] = {}
        self._types: dict[str, Type] = {}
        self._dims: dict[str, str] = {}
        self._graph = Graph(name)
        self._half = Halves(self._graph, self._constants, self._types, self._add_constant, self._dims)
        self._functions = {(f.domain, f.name): f for f in source.model.functions}
        for input_name, (dtype, shape) in input_types(source, shapes).items():
            self._graph.inputs.append(input_name)
            self._graph.tensors[input_name] = Tensor(input_name, dtype, shape)
            self._types[input_name] = (dtype, shape)
        self._declared = declared_shapes(source.model.graph)
        for proto in source.model.graph.initializer:
            self._add_constant(proto.name, self._array(proto))

    def _array(self, proto: onnx.TensorProto) -> Array:
        try:
            return onnx.numpy_helper.to_array(proto)
        except (ValueError, TypeError, KeyError) as error:
            raise BrokenModelError(
                f"tensor {proto.name} cannot be read: {error}", where=self.where, remedy="export it again"
            ) from error

    def _add_constant(self, name: str, data: Array) -> None:
        self._constants[name] = data
        self._types[name] = (data.dtype, data.shape)

    # what `control` needs

    def type_of(self, name: str) -> Type:
        """Type and shape of a value."""
        return self._types[name]

    def value_of(self, name: str) -> Array | None:
        """The value of a constant, else None."""
        return self._constants.get(name)

    def constant(self, name: str, value: Array) -> str:
        """A new constant."""
        self._add_constant(name, value)
        return name

    def write(self, op: str, inputs: list[str], outputs: list[str], name: str, **attrs: Any) -> None:
        """Import one more node, of the newest opset."""
        self.step(onnx.helper.make_node(op, inputs, outputs, name, **attrs), NEWEST_OPSET)

    def write_node(self, op: str, inputs: list[str], out: tuple[str, Shape], name: str, **attrs: Any) -> None:
        """Write one node of the graph itself, of the type of its first input; `out`: name and shape."""
        target, shape = out
        self._types[target] = (self._types[inputs[0]][0], shape)
        given = [self._half.widen(value) for value in inputs]
        for value in given:
            self._place(value)
        if self._types[target][0] == HALF:
            target = self._half.declare(target)
        self._graph.tensors[target] = Tensor(target, FLOAT, shape)
        self._graph.nodes.append(Node(name, op, given, [target], attrs))

    def write_body(self, body: onnx.GraphProto, given: Mapping[str, str], prefix: str) -> list[str]:
        """Import a graph in place; returns the names of its outputs."""
        names = dict(given)
        for proto in body.initializer:
            names[proto.name] = self.constant(f"{prefix}/{proto.name}", self._array(proto))
        for node in instantiate(body.node, names, prefix):
            self.step(node)
        return [names.get(value.name, value.name) for value in body.output]

    # one node after the other

    def step(self, node: onnx.NodeProto, opset: int | None = None) -> None:
        """Import one node, its names unique in the flat graph.

        Raises:
            CompileError: It does not fit, or has no kernel. A file can contradict itself in more ways than
                anybody foresees, and whatever it breaks in here is told of the node that did it.
        """
        try:
            self._step(node, opset)
        except FleetError:
            raise
        except Exception as error:
            raise unforeseen(node, error, self.where) from error

    def _step(self, node: onnx.NodeProto, opset: int | None) -> None:
        self._budget.count_node(node)
        opset = self._source.opset_of(node.domain) if opset is None else opset
        self._check_inputs(node)
        if node.op_type in CONTROL and not node.domain:
            CONTROL[node.op_type](self, node)
        elif (node.domain, node.op_type) in REWRITES:
            REWRITES[node.domain, node.op_type](self, node)
        elif (node.domain, node.op_type) in self._functions:
            self._expand(node, self._functions[node.domain, node.op_type], opset, {})
        elif node.op_type == "CastLike":
            self._operator(self._cast_of_cast_like(node), opset)
        else:
            self._operator(node, opset)

    def _operator(self, node: onnx.NodeProto, opset: int) -> None:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            # They only gained attributes, and the reference evaluator has no older ones.
            opset = max(opset, OPSET_OF_BLOCKS)
        types = infer(node, self._types, self._constants, opset, self.where)
        for name, (dtype, shape) in types.items():
            self._types[name] = (dtype, self._declared.get(name) if shape is None else shape)
        if node.op_type in IMPLIED:
            self._imply(node)
        if node.op_type in ("Shape", "Size"):
            self._fold_shape(node)
        elif all(name in self._constants for name in node.input if name) and is_foldable(node, self._types):
            self._note_scale(node)
            for name, value in evaluate(node, self._constants, self._types, opset, self.where).items():
                self._add_constant(name, value)
            self._budget.count_folding(node, [self._types[n] for n in (*node.input, *node.output) if n])
        elif node.op_type in IMPORTERS and not self._is_written_out(node):
            self._import(node, opset)
        else:
            self._expand(node, self._body_of(node, opset), opset, default_attributes(node, opset))

    def _imply(self, node: onnx.NodeProto) -> None:
        """Put the constant in place of an input that can only be what the output's declared shape says."""
        index, rule = IMPLIED[node.op_type]
        shape = self._declared.get(node.output[0])
        if node.input[index] not in self._constants and shape is not None:
            node.input[index] = self.constant(f"{node.name}/implied", rule(node, shape))

    def _note_scale(self, node: onnx.NodeProto) -> None:
        """The scales of weights that the file holds as integers."""
        if node.op_type != "DequantizeLinear":
            return
        scale = np.asarray(self._constants[node.input[1]], FLOAT)
        attrs = {a.name: a.i for a in node.attribute}
        if scale.ndim <= 1 and not attrs.get("block_size"):
            axis = attrs.get("axis", 1) if scale.size > 1 else None
            self._graph.scales[node.output[0]] = Quant(scale.reshape(-1), 0, axis)

    def _is_written_out(self, node: onnx.NodeProto) -> bool:
        """Whether an operator whose kernel is for float32 has to do with a wider type."""
        wide = any(self._types[name][0] == np.float64 for name in node.output if name)
        return wide and node.op_type in WRITTEN_OUT

    def _body_of(self, node: onnx.NodeProto, opset: int) -> onnx.FunctionProto:
        body = function_of(node, opset, [type_proto(self._types[name]) for name in node.input if name])
        if body is None:
            unknown = ("it has no kernel", f"replace it by operators of {DOCS} and export again")
            self._refuse(node, *REASONS.get(node.op_type, unknown))
        return body

    def _check_inputs(self, node: onnx.NodeProto) -> None:
        for name in filter(None, node.input):
            if name not in self._types:
                raise BrokenModelError(
                    f"node {node.name} ({node.op_type}) reads {name}, which nothing makes",
                    where=self.where,
                    remedy="export the model again",
                )
            if self._half.twin(name) in self._dims:
                self._refuse(
                    node,
                    f"it reads {name}, whose size depends on data",
                    "end the model before it, or export it with static shapes",
                )

    def _refuse(self, node: onnx.NodeProto, why: str, remedy: str) -> NoReturn:
        raise UnsupportedError(node.name, node.op_type, why, where=self.where, remedy=remedy)

    def _cast_of_cast_like(self, node: onnx.NodeProto) -> onnx.NodeProto:
        target = onnx.helper.np_dtype_to_tensor_dtype(self._types[node.input[1]][0])
        return onnx.helper.make_node("Cast", [node.input[0]], list(node.output), node.name, to=target)

    def _fold_shape(self, node: onnx.NodeProto) -> None:
        """Shape and Size: what they read need not be known, only how large it is."""
        if node.op_type == "Size":
            count = math.prod(self._types[node.input[0]][1])
            self._add_constant(node.output[0], np.array(count, np.int64))
            return
        attrs = {a.name: a.i for a in node.attribute}
        sizes = self._types[node.input[0]][1][attrs.get("start", 0) : attrs.get("end")]
        self._add_constant(node.output[0], np.array(sizes, np.int64))

    def _expand(
        self,
        node: onnx.NodeProto,
        body: onnx.FunctionProto,
        opset: int,
        attributes: Mapping[str, onnx.AttributeProto],
    ) -> None:
        """Import what a function consists of instead of its node."""
        values = {**{a.name: a for a in body.attribute_proto}, **attributes}
        values |= {a.name: a for a in node.attribute}
        given = [*node.input, *[""] * (len(body.input) - len(node.input))]
        names = dict(zip(body.input, given, strict=True))
        versions = {entry.domain: entry.version for entry in body.opset_import}
        for inner in instantiate(body.node, names, node.name, values):
            version = opset if inner.domain == node.domain else self._source.opset_of(inner.domain)
            self.step(inner, versions.get(inner.domain, version))
        for name, target in zip(body.output, node.output, strict=False):
            if target:
                self.write("Identity", [names[name]], [target], f"{node.name}/{name}/Identity")

    def _import(self, node: onnx.NodeProto, opset: int) -> None:
        raw = node.op_type in SEES_HALF
        for name in filter(None, (*node.input, *node.output)):
            dtype, shape = self._types[name]
            if dtype.name not in DTYPE_BYTES:
                self._refuse(node, f"{name} is {dtype}, which has no kernels", f"{DOCS} lists the types")
            self._check_size(node, name, dtype, shape)
        for index, name in enumerate(node.input):
            if raw and name:
                self._half.narrow(name)
            elif name:
                node.input[index] = self._half.widen(name)
            self._place(node.input[index])
        for index, name in enumerate(node.output):
            if name and not raw and self._types[name][0] == HALF:
                node.output[index] = self._half.declare(name)
        context = Context(node, opset, self.where, self._graph, {n: self._types[n] for n in node.output if n})
        IMPORTERS[node.op_type](context)
        for name in filter(None, node.output):
            # Where the size depends on data the importer knows the largest.
            self._types[name] = (self._types[name][0], self._graph.tensors[name].shape)
        self._dims |= context.dims

    def _place(self, name: str) -> None:
        """Let a constant be a tensor of the graph."""
        if name in self._constants and name not in self._graph.tensors:
            data = np.ascontiguousarray(self._constants[name]).reshape(self._constants[name].shape)
            self._graph.tensors[name] = Tensor(name, data.dtype, data.shape, data=data)

    def _check_size(self, node: onnx.NodeProto, name: str, dtype: np.dtype[Any], shape: Shape | None) -> None:
        if shape is not None and math.prod(shape) * dtype.itemsize >= MAX_TENSOR_BYTES:
            self._refuse(node, f"{name} has shape {list(shape)}", "check --shape")

    def finish(self) -> Graph:
        graph = self._graph
        for value in self._source.model.graph.output:
            name = value.name
            self._half.narrow(name)
            if name in graph.inputs:
                raise BrokenModelError(
                    f"output {name} is an input of the graph", where=self.where, remedy="leave it out"
                )
            if name in self._constants:
                source = graph.add_constant(f"{name}/constant", self._constants[name])
                graph.tensors[name] = Tensor(name, graph.tensors[source].dtype, graph.tensors[source].shape)
                graph.nodes.append(Node(graph.fresh(f"{name}/Identity"), "Identity", [source], [name]))
            elif name not in graph.tensors:
                raise BrokenModelError(
                    f"output {name} is made by no node", where=self.where, remedy="export the model again"
                )
            graph.outputs.append(name)
            if name in self._dims:
                graph.dims[name] = self._dims[name]
        self._refuse_nonfinite()
        return graph

    def _refuse_nonfinite(self) -> None:
        for node in self._graph.nodes:
            for name in node.inputs:
                data = self._graph.tensors[name].data
                if data is None or data.dtype.kind != "f":
                    continue
                # Masks are full of infinities; weights that are multiplied and added up are not.
                bad = ~np.isfinite(data) if node.op in WEIGHTED else np.isnan(data)
                if np.any(bad):
                    count = int(np.count_nonzero(bad))
                    raise BrokenModelError(
                        f"weights {name} of node {node.name} ({node.op}) hold {count} NaN or infinite values "
                        f"of {data.size}",
                        where=self.where,
                        remedy="the training diverged, or the file is damaged: export a sound checkpoint",
                    )

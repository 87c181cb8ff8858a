"""Writes bodies out in place: functions of ONNX's operators, functions of the model, branches, loops.

Every name that a body makes gets the name of the node in front, so that names stay unique; node names keep
showing where in the ONNX file an operator came from.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import onnx


def instantiate(
    nodes: Sequence[onnx.NodeProto],
    names: dict[str, str],
    prefix: str,
    attributes: Mapping[str, onnx.AttributeProto] | None = None,
) -> Iterator[onnx.NodeProto]:
    """Copies of the nodes of a body under names of their own.

    Args:
        nodes: In an order in which they can run.
        names: The body's names for what it is given; extended by what it makes.
        prefix: Put in front of every name that the body makes.
        attributes: For functions: what `ref_attr_name` refers to. An attribute without a value is left out.
    """
    for index, node in enumerate(nodes):
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = f"{prefix}/{node.name or f'{node.op_type}_{index}'}"
        _rename_reads(copy, names)
        for position, name in enumerate(node.output):
            if name:
                names[name] = f"{prefix}/{name}"
                copy.output[position] = names[name]
        if attributes is not None:
            _resolve(copy, attributes)
        yield copy


def _rename_reads(node: onnx.NodeProto, names: Mapping[str, str]) -> None:
    """Also inside the node's own graphs, whose bodies see the names around them."""
    for position, name in enumerate(node.input):
        node.input[position] = names.get(name, name)
    for graph in _subgraphs(node):
        own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
        own |= {name for inner in graph.node for name in inner.output}
        visible = {name: target for name, target in names.items() if name not in own}
        for inner in graph.node:
            _rename_reads(inner, visible)
        for value in graph.output:
            value.name = visible.get(value.name, value.name)


def _subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def _resolve(node: onnx.NodeProto, attributes: Mapping[str, onnx.AttributeProto]) -> None:
    """Put values in place of references to attributes of the function."""
    kept = []
    for attribute in node.attribute:
        if attribute.ref_attr_name:
            if attribute.ref_attr_name not in attributes:
                continue
            value = onnx.AttributeProto()
            value.CopyFrom(attributes[attribute.ref_attr_name])
            value.name = attribute.name
            kept.append(value)
        else:
            kept.append(attribute)
    del node.attribute[:]
    node.attribute.extend(kept)
    for graph in _subgraphs(node):
        for inner in graph.node:
            _resolve(inner, attributes)


def function_of(
    node: onnx.NodeProto, opset: int, input_types: Sequence[onnx.TypeProto]
) -> onnx.FunctionProto | None:
    """What ONNX says an operator consists of, for these attributes and input types; None for primitives."""
    # The package's type stubs do not know the methods for functions.
    schema: Any = onnx.defs.get_schema(node.op_type, opset, node.domain)
    body = onnx.FunctionProto()
    if schema.has_context_dependent_function:
        versions = [v for v in schema.context_dependent_function_opset_versions if v <= opset]
        types = [kind.SerializeToString() for kind in input_types]
        text = schema.get_context_dependent_function_with_opset_version(
            max(versions, default=opset), node.SerializeToString(), types
        )
    elif schema.has_function:
        versions = [v for v in schema.function_opset_versions if v <= opset]
        text = schema.get_function_with_opset_version(max(versions, default=opset))
    else:
        return None
    body.ParseFromString(text)
    return body if body.node else None


def default_attributes(node: onnx.NodeProto, opset: int) -> dict[str, onnx.AttributeProto]:
    """The node's attributes, and the defaults of those it leaves out."""
    schema = onnx.defs.get_schema(node.op_type, opset, node.domain)
    values = {
        name: attribute.default_value
        for name, attribute in schema.attributes.items()
        if attribute.default_value.type != onnx.AttributeProto.UNDEFINED
    }
    return values | {attribute.name: attribute for attribute in node.attribute}

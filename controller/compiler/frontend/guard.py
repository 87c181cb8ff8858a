"""What must hold before ONNX's own code sees a node."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx

from controller.compiler.errors import BrokenModelError
from controller.compiler.ir import Array

MAX_WINDOW = 1 << 24
"""Largest kernel, stride, pad or dilation; what lies beyond is larger than any input."""
_WINDOW = frozenset({"dilations", "kernel_shape", "pads", "strides"})
_EINSUM = re.compile(r"(?:[A-Za-z]|,|->|\.\.\.| )*")
_NORMALIZED = ("LayerNormalization", "RMSNormalization")
_SCALES = {
    "DequantizeLinear": (1,),
    "QLinearConv": (1, 4, 6),
    "QLinearMatMul": (1, 4, 6),
    "QuantizeLinear": (1,),
}
"""Inputs that are scales."""


def guard(
    node: onnx.NodeProto,
    schema: onnx.defs.OpSchema,
    types: Mapping[str, tuple[np.dtype[Any], Any]],
    constants: Mapping[str, Array],
    where: str,
) -> None:
    """Refuse what would end the process, or poison every value after it.

    Args:
        node: About to be imported.
        schema: Of its operator.
        types: Type and shape of its inputs.
        constants: Values of those that are known.
        where: For messages.

    Raises:
        BrokenModelError: An input is left out that must be there; ONNX's inference would index by an
            attribute that is out of range, or never end; a scale is not a positive number.
    """
    why = (
        _missing_input(node, schema)
        or _bad_attribute(node)
        or _out_of_range(node, types)
        or _bad_scale(node, constants)
    )
    if why:
        raise BrokenModelError(
            f"node {node.name} ({node.op_type}) does not fit its inputs: {why}",
            where=where,
            remedy="export the model again",
            layer=f"{node.name} ({node.op_type})",
        )


def _missing_input(node: onnx.NodeProto, schema: onnx.defs.OpSchema) -> str | None:
    for index, name in enumerate(node.input):
        parameter = schema.inputs[min(index, len(schema.inputs) - 1)] if schema.inputs else None
        if not name and (
            parameter is None or parameter.option != onnx.defs.OpSchema.FormalParameterOption.Optional
        ):
            return f"its input {index} is left out"
    return None


def _bad_attribute(node: onnx.NodeProto) -> str | None:
    for attribute in node.attribute:
        least = 0 if attribute.name == "pads" else 1
        if attribute.name in _WINDOW and not all(least <= abs(v) <= MAX_WINDOW for v in attribute.ints):
            return f"{attribute.name} is {list(attribute.ints)}"
        if attribute.type != onnx.AttributeProto.STRING:
            continue
        try:
            text = attribute.s.decode()
        except UnicodeDecodeError:
            return f"{attribute.name} is not text"
        if node.op_type == "Einsum" and not _EINSUM.fullmatch(text):
            return f"{attribute.name} is {text!r}"
    return None


def _out_of_range(node: onnx.NodeProto, types: Mapping[str, tuple[np.dtype[Any], Any]]) -> str | None:
    values = {attribute.name: attribute.i for attribute in node.attribute}
    if node.op_type == "Split":
        count = values.get("num_outputs", len(node.output))
        if count != len(node.output):
            return f"num_outputs is {count}, and it has {len(node.output)} outputs"
    if node.op_type in _NORMALIZED and node.input:
        axis, rank = values.get("axis", -1), len(types[node.input[0]][1] or ())
        if not -rank <= axis < rank:
            return f"it has no axis {axis}: its rank is {rank}"
    return None


def _bad_scale(node: onnx.NodeProto, constants: Mapping[str, Array]) -> str | None:
    for index in _SCALES.get(node.op_type, ()):
        scale = constants.get(node.input[index]) if index < len(node.input) else None
        if scale is None or scale.dtype.kind != "f":
            continue
        bad = ~(np.isfinite(scale) & (scale > 0))
        if np.any(bad):
            count = np.count_nonzero(bad)
            return f"{count} of {scale.size} scales in {node.input[index]} are not positive numbers"
    return None

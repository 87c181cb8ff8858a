"""What must hold before ONNX's own code sees a node."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx

from controller.compiler.errors import BrokenModelError
from controller.compiler.ir import Array

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
    types: Mapping[str, tuple[np.dtype[Any], Any]],
    constants: Mapping[str, Array],
    where: str,
) -> None:
    """Refuse what would end the process, or poison every value after it.

    Args:
        node: About to be imported.
        types: Type and shape of its inputs.
        constants: Values of those that are known.
        where: For messages.

    Raises:
        BrokenModelError: ONNX's inference would index by an attribute that is out of range, or a scale is
            not a positive number.
    """
    why = _out_of_range(node, types) or _bad_scale(node, constants)
    if why:
        raise BrokenModelError(
            f"node {node.name} ({node.op_type}) does not fit its inputs: {why}",
            where=where,
            remedy="export the model again",
            layer=f"{node.name} ({node.op_type})",
        )


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

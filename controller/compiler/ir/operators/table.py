"""What a legal node of an operator looks like."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from controller.compiler.ir.graph import Shape

ShapeRule = Callable[[list[Shape], dict[str, Any], Shape], bool]
"""(shapes of the inputs, attributes, declared shape of the output) → whether they agree."""

Layout = Literal["any", "row-major", "channels-last"]


def any_shape(_inputs: list[Shape], _attrs: dict[str, Any], _out: Shape) -> bool:
    """For operators whose output shape ONNX's own inference has told."""
    return True


@dataclass(frozen=True)
class Operator:
    """What a legal node of one operator looks like.

    Attributes:
        inputs: Least and greatest number of inputs.
        attrs: Attributes that must be there.
        shape: Whether the output's shape follows from the inputs'.
        quantized: How int8 is computed: "rescale" (any scales), "copy" (scales of all tensors equal),
            "convert" (one side is int8), or "" (there is no int8 form).
        optional: Attributes that may be there.
        outputs: Least and greatest number of outputs.
        types: "float" (float32, and int8 where there is a quantized form), "same" (any type, that of the
            first input for the output), or "any".
        layout: The memory order that it needs its tensors in; "any" takes the order of its inputs.
    """

    inputs: tuple[int, int]
    attrs: frozenset[str]
    shape: ShapeRule = any_shape
    quantized: str = ""
    optional: frozenset[str] = field(default=frozenset())
    outputs: tuple[int, int] = (1, 1)
    types: Literal["float", "same", "any"] = "float"
    layout: Layout = "row-major"

"""Operators of any type that are compiled from the templates of `modules/kernels/general`.

ONNX's own inference tells their shapes. They are float32 in a quantized model, but for those that only move
elements ("copy").
"""

from typing import Literal

from controller.compiler.ir.operators.table import Layout, Operator


def _general(
    inputs: int | tuple[int, int],
    *attrs: str,
    outputs: int | tuple[int, int] = 1,
    quantized: str = "",
    types: Literal["same", "any"] = "any",
    layout: Layout = "row-major",
) -> Operator:
    return Operator(
        (inputs, inputs) if isinstance(inputs, int) else inputs,
        frozenset(attrs),
        quantized=quantized,
        outputs=(outputs, outputs) if isinstance(outputs, int) else outputs,
        types=types,
        layout=layout,
    )


GENERAL: dict[str, Operator] = {
    "Cast": _general(1, layout="any"),
    "Gather": _general(2, "axis", quantized="copy", types="same"),
    "Where": _general(3, layout="any"),
}

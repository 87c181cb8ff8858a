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


_SCALAR = (
    *("Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Ceil", "Cos", "Cosh"),
    *("Erf", "Exp", "Floor", "IsNaN", "Log", "Neg", "Not", "Reciprocal", "Round", "Sign", "Sin"),
    *("Sinh", "Softplus", "Softsign", "Sqrt", "Tan", "Tanh"),
)
_PAIRS = (
    *("And", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Equal", "Greater", "GreaterOrEqual", "Less"),
    *("LessOrEqual", "Max", "Min", "Or", "PRelu", "Pow", "Xor"),
)
# Axes are an attribute, or the second input, which is read at run time.
_REDUCTION = Operator((1, 2), frozenset(), types="any", optional=frozenset({"axes", "noop_with_empty_axes"}))
_REDUCTIONS = ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum")

GENERAL: dict[str, Operator] = {
    **{op: _general(1, layout="any") for op in _SCALAR},
    **{op: _general(2, layout="any") for op in _PAIRS},
    **dict.fromkeys(_REDUCTIONS, _REDUCTION),
    "ArgMax": _general(1, "axis", "select_last_index"),
    "ArgMin": _general(1, "axis", "select_last_index"),
    "BitShift": _general(2, "direction", layout="any"),
    "Cast": _general(1, layout="any"),
    "CumProd": _general(2, "exclusive", "reverse"),
    "CumSum": _general(2, "exclusive", "reverse"),
    "Elu": _general(1, "alpha", layout="any"),
    "Gather": _general(2, "axis", quantized="copy", types="same"),
    "IsInf": _general(1, "negative", "positive", layout="any"),
    "LeakyRelu": _general(1, "alpha", layout="any"),
    "Mod": _general(2, "fmod", layout="any"),
    "Selu": _general(1, "alpha", "beta", "gamma", layout="any"),
    "Shrink": _general(1, "alpha", "beta", layout="any"),
    "ThresholdedRelu": _general(1, "alpha", layout="any"),
    "Where": _general(3, layout="any"),
}

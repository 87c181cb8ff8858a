"""How many inputs and outputs the general operators of ``docs/spec/graph.md`` have, and which attributes."""

from dataclasses import dataclass

Count = tuple[int, int]


@dataclass(frozen=True)
class Signature:
    """Of one operator; a count is the least and the greatest number."""

    inputs: Count
    attributes: frozenset[str] = frozenset()
    outputs: Count = (1, 1)
    optional: frozenset[str] = frozenset()


def _of(least: int, *attributes: str, most: int = 0, outputs: Count = (1, 1)) -> Signature:
    return Signature((least, most or least), frozenset(attributes), outputs)


_ONE = (
    *("Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Cast", "Ceil", "Cos", "Cosh"),
    *("Det", "Erf", "Exp", "Floor", "IsNaN", "Log", "Neg", "Not", "Reciprocal", "Round", "Sign", "Sin"),
    *("Sinh", "Softplus", "Softsign", "Sqrt", "Tan", "Tanh"),
)
_TWO = (
    *("And", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Equal", "Greater", "GreaterOrEqual", "Less"),
    *("LessOrEqual", "Max", "Min", "Or", "PRelu", "Pow", "Xor"),
)
_REDUCTIONS = (
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin"),
    *("ReduceProd", "ReduceSum", "ReduceSumSquare"),
)
# Axes are an attribute, or the second input.
_REDUCTION = Signature((1, 2), optional=frozenset({"axes", "noop_with_empty_axes"}))

SIGNATURES: dict[str, Signature] = {
    **dict.fromkeys(_ONE, _of(1)),
    **dict.fromkeys(_TWO, _of(2)),
    **dict.fromkeys(_REDUCTIONS, _REDUCTION),
    "ArgMax": _of(1, "axis", "select_last_index"),
    "ArgMin": _of(1, "axis", "select_last_index"),
    "BitShift": _of(2, "direction"),
    "CumProd": _of(2, "exclusive", "reverse"),
    "CumSum": _of(2, "exclusive", "reverse"),
    "DFT": _of(2, "size", "inverse"),
    "DequantizeBy": _of(3, "axis", "block"),
    "Einsum": _of(1, "labels", "out_labels", most=3),
    "Elu": _of(1, "alpha"),
    "IsInf": _of(1, "negative", "positive"),
    "LeakyRelu": _of(1, "alpha"),
    "MatMulInteger": _of(4),
    "MatMulNBits": _of(5, "bits", "block"),
    "Mod": _of(2, "fmod"),
    "QuantizeBy": _of(3, "axis", "block"),
    "STFT": _of(2, "size", most=3),
    "Selu": _of(1, "alpha", "beta", "gamma"),
    "Shrink": _of(1, "alpha", "beta"),
    "TfIdfVectorizer": _of(4, "mode", "skips"),
    "ThresholdedRelu": _of(1, "alpha"),
    "TreeEnsemble": _of(8, "gather"),
}

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
_WINDOW = ("kernel_shape", "strides", "pads", "dilations")
_RESIZE = (
    *("mode", "nearest_mode", "coordinates", "antialias", "exclude_outside", "cubic_coeff_a"),
    *("extrapolation_value", "axes", "aspect"),
)
_RECURRENT = ("reverse", "activations", "clip")
# Axes are an attribute, or the second input.
_REDUCTION = Signature((1, 2), optional=frozenset({"axes", "noop_with_empty_axes"}))

SIGNATURES: dict[str, Signature] = {
    **dict.fromkeys(_ONE, _of(1)),
    **dict.fromkeys(_TWO, _of(2)),
    **dict.fromkeys(_REDUCTIONS, _REDUCTION),
    "ArgMax": _of(1, "axis", "select_last_index"),
    "ArgMin": _of(1, "axis", "select_last_index"),
    "BitCast": _of(1),
    "BitShift": _of(2, "direction"),
    "Col2Im": _of(1, *_WINDOW),
    "Compress": _of(2, "axis", outputs=(2, 2)),
    "ConvTranspose": _of(3, *_WINDOW, "group"),
    "CumProd": _of(2, "exclusive", "reverse"),
    "CumSum": _of(2, "exclusive", "reverse"),
    "DFT": _of(2, "size", "inverse"),
    "DeformConv": _of(4, *_WINDOW, "group", "offset_group", most=5),
    "DequantizeBy": _of(3, "axis", "block"),
    "Einsum": _of(1, "labels", "out_labels", most=3),
    "Elu": _of(1, "alpha"),
    "Expand": _of(1),
    "GRU": _of(4, *_RECURRENT, "linear_before_reset", most=5, outputs=(2, 2)),
    "Gather": _of(2, "axis"),
    "GatherElements": _of(2, "axis"),
    "GatherND": _of(2, "batch_dims"),
    "GeneralAveragePool": _of(1, *_WINDOW, "count_include_pad"),
    "GeneralConv": _of(3, *_WINDOW, "group"),
    "GeneralMaxPool": _of(1, *_WINDOW, "storage_order", outputs=(1, 2)),
    "GridSample": _of(2, "mode", "padding_mode", "align_corners"),
    "IsInf": _of(1, "negative", "positive"),
    "LRN": _of(1, "alpha", "beta", "bias", "size"),
    "LSTM": _of(5, *_RECURRENT, "input_forget", most=6, outputs=(3, 3)),
    "LeakyRelu": _of(1, "alpha"),
    "LpPool": _of(1, *_WINDOW, "p"),
    "MatMulInteger": _of(4),
    "MatMulNBits": _of(5, "bits", "block"),
    "MaxUnpool": _of(2, "pooled_shape"),
    "Mod": _of(2, "fmod"),
    "NonMaxSuppression": _of(4, "center_point_box", most=5, outputs=(2, 2)),
    "NonZero": _of(1, outputs=(2, 2)),
    "OneHot": _of(2, "axis"),
    "Pad": _of(4, "mode"),
    "QuantizeBy": _of(3, "axis", "block"),
    "RNN": _of(4, *_RECURRENT, outputs=(2, 2)),
    "Range": _of(2),
    "Resize": _of(2, *_RESIZE, most=3),
    "ReverseSequence": _of(2, "batch_axis", "time_axis"),
    "RoiAlign": _of(3, "mode", "sampling_ratio", "spatial_scale", "half_pixel"),
    "STFT": _of(2, "size", most=3),
    "ScatterElements": _of(3, "axis", "reduction"),
    "ScatterND": _of(3, "reduction"),
    "Selu": _of(1, "alpha", "beta", "gamma"),
    "Shrink": _of(1, "alpha", "beta"),
    "Slice": Signature((1, 5), optional=frozenset({"starts", "steps"})),
    "Split": _of(1, "axis", outputs=(1, 1 << 12)),
    "TfIdfVectorizer": _of(4, "mode", "skips"),
    "ThresholdedRelu": _of(1, "alpha"),
    "Tile": _of(1),
    "TopK": _of(1, "axis", "largest", outputs=(2, 2)),
    "TreeEnsemble": _of(8, "gather"),
    "Trilu": _of(2, "upper"),
    "Unique": _of(1, "axis", "sorted", outputs=(6, 6)),
    "Where": _of(3),
}

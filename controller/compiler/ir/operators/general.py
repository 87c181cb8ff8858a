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


_WINDOW = ("kernel_shape", "strides", "pads", "dilations")
_RESIZE = (
    *("mode", "nearest_mode", "coordinates", "antialias", "exclude_outside", "cubic_coeff_a"),
    *("extrapolation_value", "axes", "aspect"),
)
_RECURRENT = ("reverse", "activations", "clip")
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
_REDUCTIONS = (
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin"),
    *("ReduceProd", "ReduceSum", "ReduceSumSquare"),
)

GENERAL: dict[str, Operator] = {
    **{op: _general(1, layout="any") for op in _SCALAR},
    **{op: _general(2, layout="any") for op in _PAIRS},
    **dict.fromkeys(_REDUCTIONS, _REDUCTION),
    "ArgMax": _general(1, "axis", "select_last_index"),
    "ArgMin": _general(1, "axis", "select_last_index"),
    "BitCast": _general(1),
    "BitShift": _general(2, "direction", layout="any"),
    "Cast": _general(1, layout="any"),
    "Col2Im": _general(1, *_WINDOW, types="same"),
    "Compress": _general(2, "axis", outputs=2),
    "ConvTranspose": _general(3, *_WINDOW, "group"),
    "CumProd": _general(2, "exclusive", "reverse"),
    "CumSum": _general(2, "exclusive", "reverse"),
    "DFT": _general(2, "size", "inverse"),
    "DeformConv": _general((4, 5), *_WINDOW, "group", "offset_group"),
    "Det": _general(1),
    "Einsum": _general((1, 3), "labels", "out_labels", types="same"),
    "DequantizeBy": _general(3, "axis", "block"),
    "Elu": _general(1, "alpha", layout="any"),
    "Expand": _general(1, quantized="copy", types="same"),
    "Gather": _general(2, "axis", quantized="copy", types="same"),
    "GatherElements": _general(2, "axis", quantized="copy", types="same"),
    "GatherND": _general(2, "batch_dims", quantized="copy", types="same"),
    "GRU": _general((4, 5), *_RECURRENT, "linear_before_reset", outputs=2),
    "GeneralAveragePool": _general(1, *_WINDOW, "count_include_pad"),
    "GeneralConv": _general(3, *_WINDOW, "group"),
    "GeneralMaxPool": _general(1, *_WINDOW, "storage_order", outputs=(1, 2)),
    "GridSample": _general(2, "mode", "padding_mode", "align_corners"),
    "IsInf": _general(1, "negative", "positive", layout="any"),
    "LRN": _general(1, "alpha", "beta", "bias", "size"),
    "LSTM": _general((5, 6), *_RECURRENT, "input_forget", outputs=3),
    "LeakyRelu": _general(1, "alpha", layout="any"),
    "LpPool": _general(1, *_WINDOW, "p"),
    "MatMulInteger": _general(4),
    "MatMulNBits": _general(5, "bits", "block"),
    "MaxUnpool": _general(2, "pooled_shape", types="same"),
    "Mod": _general(2, "fmod", layout="any"),
    "NonMaxSuppression": _general((4, 5), "center_point_box", outputs=2),
    "NonZero": _general(1, outputs=2),
    "OneHot": _general(2, "axis"),
    "QuantizeBy": _general(3, "axis", "block"),
    "RNN": _general(4, *_RECURRENT, outputs=2),
    "Range": _general(2, types="same"),
    "Resize": _general((2, 3), *_RESIZE, types="any"),
    "ReverseSequence": _general(2, "batch_axis", "time_axis", quantized="copy", types="same"),
    "ScatterElements": _general(3, "axis", "reduction", types="same"),
    "ScatterND": _general(3, "reduction", types="same"),
    "RoiAlign": _general(3, "mode", "sampling_ratio", "spatial_scale", "half_pixel"),
    "STFT": _general((2, 3), "size"),
    "Selu": _general(1, "alpha", "beta", "gamma", layout="any"),
    "Shrink": _general(1, "alpha", "beta", layout="any"),
    # With bounds that are known as attributes, else as inputs: starts, ends, axes, steps.
    "Slice": Operator(
        (1, 5), frozenset(), quantized="copy", types="same", optional=frozenset({"starts", "steps"})
    ),
    "Split": _general(1, "axis", outputs=(1, 1 << 12), quantized="copy", types="same"),
    "TfIdfVectorizer": _general(4, "mode", "skips"),
    "ThresholdedRelu": _general(1, "alpha", layout="any"),
    "Tile": _general(1, quantized="copy", types="same"),
    "TopK": _general(1, "axis", "largest", outputs=2),
    "TreeEnsemble": _general(8, "gather"),
    "Trilu": _general(2, "upper", types="same"),
    "Unique": _general(1, "axis", "sorted", outputs=6),
    "Where": _general(3, layout="any"),
}

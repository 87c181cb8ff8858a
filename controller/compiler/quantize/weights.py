"""Weights and biases of Conv, Gemm and MatMul in integers, with the proof that sums fit."""

from dataclasses import dataclass

import numpy as np

from controller.compiler.ir import FLOAT, INT8, Array, Quant

_BIAS_LIMIT = 2**30
_SUM_LIMIT = 2**31


@dataclass(frozen=True)
class QuantizedWeights:
    """int8 weights, symmetric for each output channel, and an int32 bias at scale f32(sx · sw)."""

    weight: Array
    weight_quant: Quant
    bias: Array
    bias_quant: Quant


def quantize_weights(  # noqa: PLR0913 - one layer: its constants, and what is known of its ends
    w: Array, b: Array, axis: int, x: Quant, y: Quant, *, mean: Array | None = None, bits: int = 8
) -> QuantizedWeights | None:
    """Quantize one layer, its bias corrected so that its mean output stays what it was.

    Bias correction: M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
    Correction", 2019, section 4.2; the means are measured. Pads count as if they were data.

    Args:
        w: float32, output channels along `axis`.
        b: float32 [channels].
        axis: 0 for Conv (OIHW), 1 for Gemm and MatMul ([K, N]).
        x: Of the input.
        y: Of the output.
        mean: float64, of each channel of the input; without it the bias is not corrected.
        bits: 8, or 7 for weights from -63 to 63.

    Returns:
        None if the proof `Σ|w|·max(127 - zx, zx + 128) + |b| < 2³¹` fails for a channel, or a multiplier is
        not finite: then the layer stays float32.
    """
    others = tuple(i for i in range(w.ndim) if i != axis)
    largest = np.abs(w.astype(np.float64)).max(others)
    # A channel of (nearly) no weights and a bias still needs a bias that fits: its scale grows until it does.
    floor = np.abs(b.astype(np.float64)) / (float(x.s) * _BIAS_LIMIT)
    most = 2 ** (bits - 1) - 1
    scale = np.maximum(largest / most, floor)
    scale = np.where(scale < 2.0**-100, 1.0, scale).astype(FLOAT)
    wide = scale.astype(np.float64).reshape([-1 if i == axis else 1 for i in range(w.ndim)])
    weight = np.clip(np.rint(w / wide), -most, most).astype(INT8)
    if mean is not None:
        b = b - _shift(weight * wide - w, axis, mean)
    return with_bias(weight, scale, b, axis, x, y)


def with_bias(  # noqa: PLR0913, PLR0917 - one layer: its constants, and what is known of its ends
    weight: Array, scale: Array, b: Array, axis: int, x: Quant, y: Quant
) -> QuantizedWeights | None:
    """Quantize the bias of a layer whose weights are integers, and prove that its sums fit.

    Args:
        weight: int8, output channels along `axis`.
        scale: float32 [channels].
        b: float32 [channels].
        axis: 0 for Conv (OIHW), 1 for Gemm and MatMul ([K, N]).
        x: Of the input.
        y: Of the output.

    Returns:
        None as `quantize_weights`.
    """
    others = tuple(i for i in range(weight.ndim) if i != axis)
    bias_scale = x.s * scale
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        bias = np.rint(b.astype(np.float64) / bias_scale.astype(np.float64))
        multiplier = bias_scale / y.s
    reach = max(127 - x.zero_point, x.zero_point + 128)
    sums = np.abs(weight.astype(np.int64)).sum(others) * reach
    if not np.all(np.isfinite(bias)) or not np.all(np.isfinite(multiplier)) or not np.all(bias_scale > 0):
        return None
    if not np.all(sums + np.abs(bias) < _SUM_LIMIT):
        return None
    return QuantizedWeights(weight, Quant(scale, 0, axis), bias.astype(np.int32), Quant(bias_scale, 0, 0))


def _shift(error: Array, axis: int, mean: Array) -> Array:
    """By how much errors of the weights shift the mean of each output channel, float64 [channels]."""
    if axis == 1:
        return np.asarray(mean @ error)
    within = error.reshape(error.shape[0], error.shape[1], -1).sum(2)
    groups = mean.reshape(-1, error.shape[1]).repeat(error.shape[0] * error.shape[1] // mean.size, 0)
    return np.asarray((within * groups).sum(1))

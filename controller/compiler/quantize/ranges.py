"""From histograms to scales: which range of reals the 256 integers of a tensor stand for."""

import numpy as np

from controller.compiler.ir import Array, Quant
from controller.compiler.quantize.histogram import Histogram

Range = tuple[float, float]

_STEPS = 24
_SHRINK = 0.25


def minmax(histogram: Histogram) -> Range:
    """Everything that was seen."""
    return histogram.low, histogram.high


def mse(histogram: Histogram) -> Range:
    """The range within the extremes whose quantization has the least mean squared error.

    Both ends are tried at evenly spaced fractions of the extreme, coarsely and then around the best pair.
    """
    values, counts = histogram.bins()
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    best = (1.0, 1.0)
    centres, reach = ((1 + _SHRINK) / 2, (1 + _SHRINK) / 2), (1 - _SHRINK) / 2
    for _ in range(2):
        lows, highs = (
            np.unique(np.clip(centre + np.linspace(-reach, reach, _STEPS), _SHRINK, 1)) if end else np.ones(1)
            for centre, end in zip(centres, (low, high), strict=True)
        )
        # The best so far is always a candidate: of equal errors it wins, being first.
        pairs = [best, *((a, b) for a in lows[::-1] for b in highs[::-1])]
        errors = [_error(values, counts, low * a, high * b) for a, b in pairs]
        best = pairs[int(np.argmin(errors))]
        centres, reach = best, 2 * reach / (_STEPS - 1)
    return low * best[0], high * best[1]


def _error(values: Array, counts: Array, low: float, high: float) -> float:
    """Sum of squared errors of an int8 tensor over [low, high]."""
    scale = (high - low) / 255
    if scale <= 0:
        return 0.0
    quantized = np.rint(np.clip(values, low, high) / scale) * scale
    return float(np.dot((quantized - values) ** 2, counts))


METHODS = {"minmax": minmax, "mse": mse}


def to_quant(low: float, high: float) -> Quant:
    """Scale and zero point of an int8 tensor over a range, which is widened to hold zero exactly."""
    low, high = min(low, 0.0), max(high, 0.0)
    if high - low < 2.0**-100:
        return Quant.per_tensor(1.0, -128)
    scale = np.float32((high - low) / 255)
    zero_point = int(np.clip(np.rint(-128 - low / float(scale)), -128, 127))
    return Quant.per_tensor(scale, zero_point)

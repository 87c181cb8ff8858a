"""From histograms to scales: which range of reals the 256 integers of a tensor stand for."""

from collections.abc import Callable

import numpy as np

from controller.compiler.ir import Array, Quant
from controller.compiler.quantize.histogram import Histogram

Range = tuple[float, float]
Cost = Callable[[Array, Array, Range], float]
"""Of quantizing values (float64, ascending) with their counts over a range."""

PERCENTILE = 99.99
LEVELS = 255
"""Steps of an int8 tensor."""
_STEPS = 24
_SHRINK = 0.25


def minmax(histogram: Histogram) -> Range:
    """Everything that was seen."""
    return histogram.low, histogram.high


def percentile(histogram: Histogram) -> Range:
    """All but the smallest and the largest 0.005 % of the values."""
    values, counts = histogram.bins()
    below = np.cumsum(counts)
    outside = below[-1] * (1 - PERCENTILE / 100) / 2
    low = values[np.searchsorted(below, outside, "right")]
    high = values[np.searchsorted(below, below[-1] - outside, "left")]
    return float(low), float(high)


def mse(histogram: Histogram) -> Range:
    """The range within the extremes whose quantization has the least mean squared error."""
    return _search(histogram, squared_error)


def entropy(histogram: Histogram) -> Range:
    """The range within the extremes that loses the least information, as NVIDIA's TensorRT chooses it.

    Source: S. Migacz, "8-bit Inference with TensorRT", GTC 2017.
    """
    return _search(histogram, divergence)


def _search(histogram: Histogram, cost: Cost) -> Range:
    """Both ends at evenly spaced fractions of the extremes, coarsely and then around the best pair."""
    values, counts = histogram.bins()
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    best = (1.0, 1.0)
    centres, reach = ((1 + _SHRINK) / 2, (1 + _SHRINK) / 2), (1 - _SHRINK) / 2
    for _ in range(2):
        lows, highs = (
            np.unique(np.clip(centre + np.linspace(-reach, reach, _STEPS), _SHRINK, 1)) if end else np.ones(1)
            for centre, end in zip(centres, (low, high), strict=True)
        )
        # The best so far is always a candidate: of equal costs it wins, being first.
        pairs = [best, *((a, b) for a in lows[::-1] for b in highs[::-1])]
        costs = [cost(values, counts, (low * a, high * b)) for a, b in pairs]
        best = pairs[int(np.argmin(costs))]
        centres, reach = best, 2 * reach / (_STEPS - 1)
    return float(low * best[0]), float(high * best[1])


def squared_error(values: Array, counts: Array, limits: Range) -> float:
    """Sum of squared errors of an int8 tensor over a range."""
    low, high = limits
    scale = (high - low) / LEVELS
    if scale <= 0:
        return 0.0
    quantized = np.rint(np.clip(values, low, high) / scale) * scale
    return float(np.dot((quantized - values) ** 2, counts))


def divergence(values: Array, counts: Array, limits: Range) -> float:
    """Kullback-Leibler divergence of what int8 can tell apart from what was seen.

    What was seen: the counts, those outside the range added to the outermost bins inside. What int8 can
    tell apart: the counts inside, evened out over the bins of each level that hold anything.
    """
    low, high = limits
    scale = (high - low) / LEVELS
    inside = np.flatnonzero((values >= low) & (values <= high))
    if scale <= 0 or not inside.size:
        return 0.0 if scale <= 0 else float("inf")
    first, last = inside[0], inside[-1] + 1
    own = counts[first:last].astype(np.float64)
    seen = own.copy()
    seen[0] += counts[:first].sum()
    seen[-1] += counts[last:].sum()
    levels = np.rint(values[first:last] / scale).astype(np.int64)
    levels -= levels[0]
    told = (np.bincount(levels, own) / np.maximum(np.bincount(levels), 1))[levels]
    p, q = seen / seen.sum(), told / told.sum()
    return float(np.dot(p, np.log(p / q)))


METHODS = {"minmax": minmax, "percentile": percentile, "entropy": entropy, "mse": mse}


def to_quant(low: float, high: float) -> Quant:
    """Scale and zero point of an int8 tensor over a range, which is widened to hold zero exactly."""
    low, high = min(low, 0.0), max(high, 0.0)
    if high - low < 2.0**-100:
        return Quant.per_tensor(1.0, -128)
    scale = np.float32((high - low) / LEVELS)
    zero_point = int(np.clip(np.rint(-128 - low / float(scale)), -128, 127))
    return Quant.per_tensor(scale, zero_point)

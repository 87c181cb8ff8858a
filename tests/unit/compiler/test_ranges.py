"""Calibration methods on streamed histograms against the same on all values at once."""

import numpy as np
import pytest

from controller.compiler.quantize.histogram import BINS, Histogram
from controller.compiler.quantize.ranges import LEVELS, METHODS, PERCENTILE, divergence, squared_error

SEED = 11
PARTS = 7


def _values(kind):
    random = np.random.default_rng(SEED)
    normal = random.standard_normal(20_000)
    return {
        "normal": normal,
        "relu": np.maximum(normal, 0),
        "shifted": normal * 0.3 - 4,
        "tails": random.standard_t(3, 20_000),
        "outlier": np.append(normal[:-1], 37.0),
        "constant": np.full(20_000, 2.5),
    }[kind].astype(np.float32)


KINDS = ("normal", "relu", "shifted", "tails", "outlier", "constant")


def _streamed(values):
    histogram = Histogram()
    for part in np.array_split(values, PARTS):
        histogram.add(part)
    return histogram


def _width(values):
    """Of a bin of the histogram."""
    return float(2 * 2.0 ** np.ceil(np.log2(np.abs(values).max())) / BINS)


@pytest.mark.parametrize("kind", KINDS)
def test_minmax(kind):
    values = _values(kind)
    assert METHODS["minmax"](_streamed(values)) == (values.min(), values.max())


@pytest.mark.parametrize("kind", KINDS)
def test_percentile(kind):
    values = _values(kind)
    tail = (100 - PERCENTILE) / 2
    low = np.percentile(values, tail, method="inverted_cdf")
    high = np.percentile(values, 100 - tail, method="inverted_cdf")
    found = METHODS["percentile"](_streamed(values))
    assert found == pytest.approx((float(low), float(high)), abs=_width(values))


@pytest.mark.parametrize("kind", KINDS)
def test_mse_is_within_a_hundredth_of_the_best_of_a_fine_grid(kind):
    values = _values(kind).astype(np.float64)
    once = np.ones(values.size)
    low, high = min(values.min(), 0), max(values.max(), 0)
    fractions = np.linspace(0.25, 1, 16)
    grid = [(low * a, high * b) for a in fractions for b in fractions]
    best = min(squared_error(values, once, limits) for limits in grid)
    found = squared_error(values, once, METHODS["mse"](_streamed(values)))
    assert found <= best * 1.01 + 1e-9


def _divergence(values, low, high):
    """As the method is published, value by value, on bins of the same width."""
    width = _width(values)
    bins, counts = np.unique(np.floor(values / width), return_counts=True)
    centres = np.clip((bins + 0.5) * width, values.min(), values.max())
    inside = [i for i, centre in enumerate(centres) if low <= centre <= high]
    seen = [float(counts[i]) for i in inside]
    seen[0] += float(sum(counts[: inside[0]]))
    seen[-1] += float(sum(counts[inside[-1] + 1 :]))
    levels = {}
    for i in inside:
        levels.setdefault(round(float(centres[i]) / ((high - low) / LEVELS)), []).append(i)
    told = {i: sum(counts[j] for j in level) / len(level) for level in levels.values() for i in level}
    total = sum(told.values())
    p = [s / sum(seen) for s in seen]
    return sum(a * np.log(a / (told[i] / total)) for a, i in zip(p, inside, strict=True))


@pytest.mark.parametrize("kind", ["normal", "relu", "tails", "outlier"])
def test_divergence_is_the_published_one(kind):
    values = _values(kind).astype(np.float64)
    for fraction in (0.3, 0.71, 1.0):
        low, high = min(values.min(), 0) * fraction, max(values.max(), 0) * fraction
        expected = _divergence(values, low, high)
        centres, counts = _streamed(values).bins()
        assert divergence(centres, counts, (low, high)) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("kind", ["normal", "relu", "tails", "outlier"])
def test_entropy_is_no_worse_than_any_of_a_grid(kind):
    values = _values(kind).astype(np.float64)
    low, high = min(values.min(), 0), max(values.max(), 0)
    grid = [(low * a, high * a) for a in (0.3, 0.45, 0.6, 0.8, 1.0)]
    found = _divergence(values, *METHODS["entropy"](_streamed(values)))
    assert found <= min(_divergence(values, *limits) for limits in grid) * 1.02 + 1e-9


@pytest.mark.parametrize("method", METHODS)
def test_memory_does_not_grow_with_the_stream(method):
    histogram = Histogram()
    sizes = []
    for scale in (1e-3, 1.0, 1e4):
        histogram.add(np.random.default_rng(SEED).standard_normal(10_000) * scale)
        sizes.append(histogram.bins()[0].size)
    assert max(sizes) <= BINS
    low, high = METHODS[method](histogram)
    assert low < 0 < high

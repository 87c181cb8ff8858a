"""Histograms, ranges, scales, integer weights."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from controller.compiler.ir import Graph, Node, Quant
from controller.compiler.quantize import Quantization
from controller.compiler.quantize.functions import (
    dequantize_array,
    quantize_array,
    softmax_table,
    unary_function,
    unary_table,
)
from controller.compiler.quantize.histogram import BINS, Histogram
from controller.compiler.quantize.ranges import minmax, mse, to_quant
from controller.compiler.quantize.weights import quantize_weights

FLOATS = st.floats(-(2.0**100), 2.0**100, width=32)


def histogram(*arrays):
    result = Histogram()
    for array in arrays:
        result.add(np.asarray(array, np.float32))
    return result


@given(st.lists(hnp.arrays(np.float32, st.integers(1, 20), elements=FLOATS), min_size=1, max_size=5))
def test_histogram_loses_no_value(arrays):
    h = histogram(*arrays)
    everything = np.concatenate(arrays)
    centres, counts = h.bins()
    assert counts.sum() == everything.size
    assert (h.low, h.high) == (everything.min(), everything.max())
    assert np.all((centres >= h.low) & (centres <= h.high))


def test_histogram_of_a_growing_stream_equals_that_of_the_whole():
    random = np.random.default_rng(5)
    parts = [random.standard_normal(1000) * scale for scale in (0.01, 1, 300, 5)]
    streamed = histogram(*parts)
    centres, counts = streamed.bins()
    everything = np.sort(np.concatenate(parts))
    width = 2 * 2.0 ** np.ceil(np.log2(np.abs(everything).max())) / BINS
    assert np.abs(np.sort(np.repeat(centres, counts)) - everything).max() <= width


def test_histogram_counts_what_is_not_finite():
    h = histogram([1, np.nan, np.inf, -np.inf, 2])
    assert (h.nonfinite, h.low, h.high) == (3, 1, 2)


@given(FLOATS, FLOATS)
def test_zero_is_always_exact(a, b):
    quant = to_quant(min(a, b), max(a, b))
    assert quant.s > 0
    assert np.isfinite(quant.s)
    assert -128 <= quant.zero_point <= 127
    assert dequantize_array(quantize_array(np.zeros(1), quant), quant) == 0


@given(st.floats(-1000, 0, width=32), st.floats(0, 1000, width=32))
def test_values_inside_the_range_are_off_by_half_a_step(low, high):
    quant = to_quant(low, high)
    values = np.linspace(low, high, 50, dtype=np.float32)
    error = np.abs(dequantize_array(quantize_array(values, quant), quant) - values)
    assert error.max() <= quant.s * 1.01  # half a step, and half a step for the zero point at the ends


def test_mse_cuts_an_outlier_that_minmax_keeps():
    random = np.random.default_rng(9)
    h = histogram(random.standard_normal(1_000_000), [40.0])
    assert minmax(h)[1] == 40
    low, high = mse(h)
    assert high < 20
    assert -6 < low < -2


def test_mse_never_leaves_the_extremes():
    h = histogram(np.linspace(-1, 3, 1000))
    low, high = mse(h)
    assert -1 <= low < -0.9
    assert 2.8 < high <= 3


def test_mse_of_a_relu_keeps_zero():
    low, high = mse(histogram(np.maximum(np.random.default_rng(1).standard_normal(10_000), 0)))
    assert low == 0
    assert 2 < high < 5


@pytest.mark.parametrize("axis", [0, 1])
def test_weights_are_symmetric_for_each_channel(axis):
    random = np.random.default_rng(2)
    shape = (6, 3, 3, 3) if axis == 0 else (27, 6)
    w = random.standard_normal(shape).astype(np.float32) * np.float32(10)
    x, y = Quant.per_tensor(0.02, 5), Quant.per_tensor(0.3, -7)
    done = quantize_weights(w, random.standard_normal(6).astype(np.float32), axis, x, y)
    others = tuple(i for i in range(w.ndim) if i != axis)
    assert np.all(np.abs(done.weight).max(others) == 127)
    assert done.weight_quant.axis == axis
    assert np.array_equal(done.bias_quant.scale, np.float32(x.s) * done.weight_quant.scale)
    wide = done.weight_quant.scale.reshape([-1 if i == axis else 1 for i in range(w.ndim)])
    assert np.abs(done.weight * wide - w).max() <= wide.max() / 2 * 1.001


def test_a_dead_channel_keeps_its_bias():
    w = np.zeros((2, 1, 1, 1), np.float32)
    w[1] = 1e-9
    bias = np.array([0.75, -3.0], np.float32)
    done = quantize_weights(w, bias, 0, Quant.per_tensor(0.01, 0), Quant.per_tensor(0.1, 0))
    assert np.allclose(done.bias * done.bias_quant.scale.astype(np.float64), bias, rtol=1e-6)


def test_sums_that_could_overflow_are_refused():
    w = np.ones((1, 70_000, 1, 1), np.float32)
    bias = np.zeros(1, np.float32)
    assert quantize_weights(w, bias, 0, Quant.per_tensor(0.01, -128), Quant.per_tensor(1.0, 0)) is None
    assert quantize_weights(w, bias, 0, Quant.per_tensor(0.01, 0), Quant.per_tensor(1.0, 0)) is not None


def test_table_of_a_function():
    x, y = Quant.per_tensor(0.05, 3), Quant.per_tensor(1 / 256, -128)
    table = unary_table(lambda v: 1 / (1 + np.exp(-v)), x, y)
    assert table.dtype == np.int8
    assert table.shape == (256,)
    for q in (-128, -1, 3, 127):
        real = 1 / (1 + np.exp(-0.05 * (q - 3)))
        assert abs((int(table[q + 128]) + 128) / 256 - real) <= 0.5 / 256 + 1e-6


def test_quantize_clamps_before_rounding_and_knows_nan():
    quant = Quant.per_tensor(0.5, 10)
    given_ = np.array([np.nan, np.inf, -np.inf, 0.25, 0.75, 1e30])
    assert list(quantize_array(given_, quant)) == [-128, 127, -128, 10, 12, 127]


@pytest.mark.parametrize("length", [1, 2, 10, 1000, 65536])
def test_softmax_sums_fit(length):
    table = softmax_table(0.1, length)
    assert int(table[0]) * length <= 2**30
    assert table[0] > 0
    assert np.all(np.diff(table.astype(np.int64)) <= 0)


def test_scalar_constants_make_unary_functions():
    four = np.array(4, np.float32)
    divide = Node("n", "Div", ["c", "x"], ["y"])
    assert unary_function(divide, [four, None])(np.array(8.0)) == 0.5
    assert unary_function(divide, [None, four])(np.array(8.0)) == 2
    assert unary_function(divide, [None, np.ones(3, np.float32)]) is None
    assert unary_function(divide, [None, None]) is None


@pytest.mark.parametrize(
    ("op", "attrs", "x", "y"),
    [
        ("Tanh", {}, 0.5, np.tanh(0.5)),
        ("Erf", {}, 0.5, 0.5204998778130465),
        ("LeakyRelu", {"alpha": 0.25}, -2.0, -0.5),
        ("Elu", {"alpha": 2.0}, -1.0, 2 * np.expm1(-1.0)),
        ("Selu", {"alpha": 2.0, "beta": 0.0, "gamma": 3.0}, -1.0, 6 * np.expm1(-1.0)),
        ("Softplus", {}, 800.0, 800.0),
        ("ThresholdedRelu", {"alpha": 1.0}, 0.9, 0.0),
    ],
)
def test_smooth_functions_are_tables_too(op, attrs, x, y):
    function = unary_function(Node("n", op, ["x"], ["y"], attrs), [None])
    assert function is not None
    assert function(np.array([x]))[0] == pytest.approx(y)


def test_few_layers_left_in_float_are_named_and_many_are_counted():
    kept = {"a": "asked for", "b": "asked for", **{f"n{i}": "no int8 form" for i in range(40)}}
    done = Quantization(Graph("test"), ("c", "d"), kept)
    assert done.text == "2 layers int8, 42 float32 (a, b: asked for; 40 layers: no int8 form)"

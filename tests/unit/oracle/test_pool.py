"""MaxPool and the averages."""

import numpy as np
import pytest

from tests.oracle import DocumentError, same_class
from tests.oracle.arithmetic import F32
from tests.unit.oracle.documents import Out, Value, evaluate
from tests.unit.oracle.sessions import onnx_run

# kernel, strides, pads, ceil_mode, count_include_pad, input size, output size
AVERAGES = [
    ([2, 2], [2, 2], [0, 0, 0, 0], 0, 0, (6, 8), (3, 4)),
    ([3, 3], [2, 2], [1, 1, 1, 1], 0, 0, (7, 7), (4, 4)),
    ([3, 3], [2, 2], [1, 1, 1, 1], 0, 1, (7, 7), (4, 4)),
    ([3, 2], [2, 2], [1, 0, 0, 1], 0, 1, (8, 7), (4, 4)),
    ([2, 2], [2, 2], [0, 0, 0, 0], 1, 0, (5, 7), (3, 4)),
    ([3, 3], [2, 2], [1, 1, 1, 1], 1, 1, (6, 6), (4, 4)),
]


@pytest.mark.parametrize("case", AVERAGES)
def test_float_average_equals_onnxruntime(case):
    kernel, strides, pads, ceil, count, size, out = case
    x = np.random.default_rng(1).normal(size=(1, 3, *size)).astype(F32)
    attrs = {"kernel_shape": kernel, "strides": strides, "pads": pads, "count_include_pad": count}
    y = evaluate("AveragePool", [Value(x)], Out((1, 3, *out)), **attrs)
    expected = onnx_run("AveragePool", [x], "float32", ceil_mode=ceil, **attrs)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", AVERAGES)
def test_int8_average_is_within_half_a_step_of_the_real_mean(case):
    kernel, strides, pads, ceil, count, size, out = case
    x = np.random.default_rng(2).integers(-128, 128, (1, 3, *size)).astype(np.int8)
    sx, zx, sy, zy = F32(0.031), -9, F32(0.022), 6
    attrs = {"kernel_shape": kernel, "strides": strides, "pads": pads, "count_include_pad": count}
    y = evaluate("AveragePool", [Value(x, sx, zx)], Out((1, 3, *out), "int8", sy, zy), **attrs)
    real = (x.astype(F32) - zx) * sx
    mean = onnx_run("AveragePool", [real], "float32", ceil_mode=ceil, **attrs)
    assert np.abs(y - np.clip(mean / sy + zy, -128, 127)).max() < 0.5 + 1e-3


def test_int8_global_average_equals_onnxruntime():
    rng = np.random.default_rng(3)
    x = rng.integers(-128, 128, (1, 64, 7, 5)).astype(np.int8)
    sx, zx, sy, zy = F32(0.031), -9, F32(0.0055), 6
    y = evaluate("GlobalAveragePool", [Value(x, sx, zx)], Out((1, 64, 1, 1), "int8", sy, zy))
    given = [x, sx, np.int8(zx), sy, np.int8(zy)]
    expected = onnx_run(
        "QLinearGlobalAveragePool",
        [np.asarray(value) for value in given],
        "int8",
        domain="com.microsoft",
        channels_last=0,
    )
    assert np.array_equal(y, expected)


def test_float_global_average_sums_row_by_row():
    x = np.random.default_rng(4).normal(size=(1, 2, 3, 3)).astype(F32)
    y = evaluate("GlobalAveragePool", [Value(x)], Out((1, 2, 1, 1)))
    for channel in range(2):
        acc = F32(0)
        for value in x[0, channel].ravel():
            acc = F32(acc + value)
        assert y[0, channel, 0, 0] == acc / F32(9)


@pytest.mark.parametrize("dtype", [np.int8, F32])
def test_max_pool_equals_onnxruntime(dtype):
    x = np.random.default_rng(5).integers(-128, 128, (1, 3, 7, 8)).astype(dtype)
    attrs = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "dilations": [1, 1]}
    quantization = (0.1, 4) if dtype is np.int8 else (None, 0)
    out = Out((1, 3, 4, 4), str(x.dtype), *quantization)
    y = evaluate("MaxPool", [Value(x, *quantization)], out, **attrs)
    assert same_class(y, onnx_run("MaxPool", [x], str(x.dtype), **attrs))


def test_int8_max_pool_clamps_and_refuses_a_change_of_scale():
    x = np.array([[[[-100, 50]]]], np.int8)
    attrs = {"kernel_shape": [1, 1], "clamp": [-3, 20]}
    assert evaluate("MaxPool", [Value(x, 1, 0)], Out(x.shape, "int8", 1, 0), **attrs).ravel().tolist() == [
        -3,
        20,
    ]
    with pytest.raises(DocumentError, match="scale or zero point of 'i0' changes"):
        evaluate("MaxPool", [Value(x, 1, 0)], Out(x.shape, "int8", 2, 0), **attrs)


def test_float_max_pool_passes_over_nan_and_keeps_the_first_zero():
    x = np.array([np.nan, -2, -0.0, 0.0], F32).reshape(1, 1, 2, 2)
    y = evaluate("MaxPool", [Value(x)], Out((1, 1, 1, 1)), kernel_shape=[2, 2])
    assert y[0, 0, 0, 0] == 0
    assert np.signbit(y[0, 0, 0, 0])


def test_an_average_over_nothing_is_illegal():
    attrs = {"kernel_shape": [1, 1], "strides": [1, 1], "pads": [1, 1, 1, 1]}
    with pytest.raises(DocumentError, match="/test/node: a window of the average has no elements"):
        evaluate("AveragePool", [Value(np.ones((1, 1, 1, 1), F32))], Out((1, 1, 3, 3)), **attrs)

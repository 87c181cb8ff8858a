"""Softmax, by table and by polynomial."""

import math

import numpy as np
import pytest

from tests.oracle.arithmetic import F32
from tests.unit.oracle.documents import Out, Value, evaluate
from tests.unit.oracle.sessions import onnx_run


def exponentials(scale: float, length: int) -> np.ndarray:
    """The table of the page: floor(2^k exp(-s i) + 1/2)."""
    k = min(23, 30 - math.ceil(math.log2(length)))
    return np.floor(2.0**k * np.exp(-float(scale) * np.arange(256)) + 0.5).astype(np.uint32)


@pytest.mark.parametrize("axis", [1, -1, 2])
def test_float_softmax_is_close_to_onnxruntime(axis):
    x = np.random.default_rng(1).normal(scale=4, size=(2, 7, 13)).astype(F32)
    y = evaluate("Softmax", [Value(x)], Out(x.shape), axis=axis)
    np.testing.assert_allclose(y, onnx_run("Softmax", [x], "float32", axis=axis), rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(y.sum(axis), 1, rtol=1e-6)


def test_float_softmax_survives_large_values():
    x = np.array([[1e30, 0, -1e30]], F32)
    assert evaluate("Softmax", [Value(x)], Out(x.shape), axis=1).tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("scale", [0.005, 0.08, 0.9])
@pytest.mark.parametrize("length", [2, 6, 1000])
def test_int8_softmax_is_within_one_step_of_onnxruntime_and_of_the_real_result(scale, length):
    rng = np.random.default_rng(2)
    x = rng.integers(-128, 128, (16, length)).astype(np.int8)
    scale = F32(scale)
    inputs = [Value(x, scale, 7), Value(exponentials(scale, length), constant=True)]
    y = evaluate("Softmax", inputs, Out(x.shape, "int8", 1 / 256, -128), axis=1)
    given = [x, scale, np.int8(7), F32(1 / 256), np.int8(-128)]
    expected = onnx_run(
        "QLinearSoftmax",
        [np.asarray(value) for value in given],
        "int8",
        domain="com.microsoft",
        axis=1,
        opset=13,
    )
    assert np.abs(y.astype(int) - expected).max() <= 1
    wide = x.astype(float)
    real = np.exp(float(scale) * (wide - wide.max(1, keepdims=True)))
    real = real / real.sum(1, keepdims=True) * 256 - 128
    assert np.abs(y - np.minimum(real, 127)).max() < 0.51


def test_int8_softmax_along_an_inner_axis():
    x = np.random.default_rng(3).integers(-128, 128, (1, 5, 4)).astype(np.int8)
    table = Value(exponentials(0.1, 5), constant=True)
    y = evaluate("Softmax", [Value(x, 0.1), table], Out(x.shape, "int8", 1 / 256, -128), axis=1)
    last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    z = evaluate("Softmax", [Value(last, 0.1), table], Out(last.shape, "int8", 1 / 256, -128), axis=-1)
    assert np.array_equal(y, np.moveaxis(z, -1, 1))

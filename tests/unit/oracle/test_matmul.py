"""Gemm and MatMul."""

import numpy as np
import pytest

from tests.oracle import same_class
from tests.oracle.arithmetic import F32
from tests.unit.oracle.documents import Out, Value, evaluate
from tests.unit.oracle.sessions import onnx_run, weight_limit


def test_float_gemm_sums_in_the_order_of_k():
    rng = np.random.default_rng(1)
    a, b, bias = (rng.normal(size=size).astype(F32) for size in ((3, 33), (33, 5), 5))
    y = evaluate("Gemm", [Value(a), Value(b, constant=True), Value(bias, constant=True)], Out((3, 5)))
    expected = np.empty((3, 5), F32)
    for m, n in np.ndindex(3, 5):
        acc = bias[n]
        for k in range(33):
            acc = F32(acc + F32(a[m, k] * b[k, n]))
        expected[m, n] = acc
    assert same_class(y, expected)
    np.testing.assert_allclose(y, onnx_run("Gemm", [a, b, bias], "float32"), rtol=1e-5, atol=1e-5)


def test_float_matmul_of_two_activations_with_leading_dimensions():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 3, 4, 7)).astype(F32), rng.normal(size=(2, 3, 7, 5)).astype(F32)
    y = evaluate("MatMul", [Value(a), Value(b)], Out((2, 3, 4, 5)))
    np.testing.assert_allclose(y, onnx_run("MatMul", [a, b], "float32"), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("zero_points", [(-128, -128), (5, -9)])
@pytest.mark.parametrize("leading", [(7,), (2, 3)])
def test_int8_matmul_equals_onnxruntime(zero_points, leading):
    rng = np.random.default_rng(3)
    zx, zy = zero_points
    limit = weight_limit()
    x = rng.integers(-128, 128, (*leading, 96)).astype(np.int8)
    w = rng.integers(-limit, limit + 1, (96, 17)).astype(np.int8)
    sx, sw, sy = F32(0.0371), rng.uniform(1e-3, 9e-3, 17).astype(F32), F32(0.113)
    y = evaluate(
        "MatMul", [Value(x, sx, zx), Value(w, sw, axis=1, constant=True)], Out((*leading, 17), "int8", sy, zy)
    )
    given = [x, sx, np.int8(zx), w, sw, np.zeros(17, np.int8), sy, np.int8(zy)]
    assert np.array_equal(y, onnx_run("QLinearMatMul", [np.asarray(value) for value in given], "int8"))
    assert len(np.unique(y)) > 20


def test_int8_gemm_adds_the_bias_before_it_scales():
    x, w = np.array([[1, 2]], np.int8), np.array([[3], [4]], np.int8)
    bias = np.array([100], np.int32)
    inputs = [Value(x, 0.5, 1), Value(w, 0.5, axis=1, constant=True), Value(bias, 0.25, constant=True)]
    # (0 * 3 + 1 * 4 + 100) * 0.25 = 26
    assert evaluate("Gemm", inputs, Out((1, 1), "int8", 1, -5))[0, 0] == 26 - 5

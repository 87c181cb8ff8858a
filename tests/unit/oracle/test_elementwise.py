"""Add, Sub, Mul, Div and the conversions."""

import operator

import numpy as np
import pytest

from tests.oracle import DocumentError, same_class
from tests.oracle.arithmetic import F32
from tests.unit.oracle.documents import Out, Value, evaluate
from tests.unit.oracle.sessions import onnx_run

EVERY_PAIR = np.meshgrid(np.arange(-128, 128, dtype=np.int8), np.arange(-128, 128, dtype=np.int8))
FUNCTIONS = {"Add": operator.add, "Sub": operator.sub, "Mul": operator.mul, "Div": operator.truediv}


@pytest.mark.parametrize("op", ["Add", "Mul"])
def test_int8_is_within_one_step_of_onnxruntime_for_every_pair(op):
    a, b = EVERY_PAIR
    sa, za, sb, zb, sy, zy = F32(0.031), -5, F32(0.047), 17, F32(0.093), 3
    y = evaluate(op, [Value(a, sa, za), Value(b, sb, zb)], Out(a.shape, "int8", sy, zy))
    given = [a, sa, np.int8(za), b, sb, np.int8(zb), sy, np.int8(zy)]
    expected = onnx_run(
        f"QLinear{op}", [np.asarray(value) for value in given], "int8", domain="com.microsoft"
    )
    assert np.abs(y.astype(int) - expected).max() <= 1
    assert np.mean(y != expected) < 0.01


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul"])
def test_int8_is_within_half_a_step_of_the_real_result(op):
    a, b = EVERY_PAIR
    sa, za, sb, zb, sy, zy = F32(0.031), -5, F32(0.047), 17, F32(0.093), 3
    y = evaluate(op, [Value(a, sa, za), Value(b, sb, zb)], Out(a.shape, "int8", sy, zy)).astype(float)
    real = FUNCTIONS[op]((a.astype(float) - za) * sa, (b.astype(float) - zb) * sb) / float(sy) + zy
    assert np.abs(y - np.clip(real, -128, 127)).max() < 0.5 + 1e-4


@pytest.mark.parametrize("op", list(FUNCTIONS))
def test_float_with_broadcasting(op):
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(1, 3, 4, 5)).astype(F32), rng.normal(size=(3, 1, 1)).astype(F32)
    y = evaluate(op, [Value(a), Value(b)], Out(a.shape))
    assert same_class(y, onnx_run(op, [a, b], "float32"))


def test_int8_broadcasts_too():
    a, b = np.arange(-6, 6, dtype=np.int8).reshape(1, 3, 2, 2), np.array([1, 2, 3], np.int8).reshape(3, 1, 1)
    y = evaluate("Add", [Value(a, 1), Value(b, 1)], Out(a.shape, "int8", 1))
    assert np.array_equal(y, a + b)


def test_float_division_by_zero_is_ieee():
    a = np.array([1, -1, 0], F32)
    y = evaluate("Div", [Value(a), Value(np.zeros(3, F32))], Out((3,)))
    assert y[:2].tolist() == [np.inf, -np.inf]
    assert np.isnan(y[2])


def test_div_of_two_int8_tensors_is_refused():
    a = np.ones(3, np.int8)
    with pytest.raises(DocumentError, match=r"/test/node \(Div\) is not defined from int8 to int8"):
        evaluate("Div", [Value(a, 1), Value(a, 1)], Out((3,), "int8", 1))


def test_quantize_divides_and_rounds_half_to_even():
    x = np.array([0.25, 0.75, 1.25, -0.25, 1e9, -1e9, np.inf, -np.inf, np.nan], F32)
    y = evaluate("QuantizeLinear", [Value(x)], Out(x.shape, "int8", 0.5, 10))
    assert y.tolist() == [10, 12, 12, 10, 127, -128, 127, -128, -128]


def test_quantize_equals_onnxruntime():
    rng = np.random.default_rng(6)
    x = rng.normal(scale=3, size=100_000).astype(F32)
    scale = F32(0.0237)
    y = evaluate("QuantizeLinear", [Value(x)], Out(x.shape, "int8", scale, -11))
    assert np.array_equal(
        y, onnx_run("QuantizeLinear", [x, np.asarray(scale), np.asarray(np.int8(-11))], "int8")
    )


def test_dequantize_equals_onnxruntime():
    x, scale = np.arange(-128, 128, dtype=np.int8), F32(0.0237)
    y = evaluate("DequantizeLinear", [Value(x, scale, -11)], Out(x.shape))
    expected = onnx_run("DequantizeLinear", [x, np.asarray(scale), np.asarray(np.int8(-11))], "float32")
    assert same_class(y, expected)

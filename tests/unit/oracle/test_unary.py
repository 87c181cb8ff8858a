"""Tables and float32 functions of one tensor."""

import math

import numpy as np
import pytest

from tests.oracle import same_class
from tests.oracle.arithmetic import F32
from tests.unit.oracle.documents import Out, Value, evaluate
from tests.unit.oracle.sessions import onnx_run


def test_a_table_is_indexed_from_minus_128():
    x = np.arange(-128, 128, dtype=np.int8)
    table = np.random.default_rng(1).integers(-128, 128, 256).astype(np.int8)
    inputs = [Value(x, 0.1), Value(table, constant=True)]
    assert np.array_equal(evaluate("Table", inputs, Out((256,), "int8", 1), function="Sigmoid"), table)


@pytest.mark.parametrize(
    ("op", "attrs"), [("Sigmoid", {}), ("HardSwish", {}), ("HardSigmoid", {"alpha": 0.2, "beta": 0.5})]
)
def test_float_function_is_close_to_onnxruntime(op, attrs):
    x = np.linspace(-20, 20, 100_001).astype(F32)
    y = evaluate(op, [Value(x)], Out(x.shape), **attrs)
    np.testing.assert_allclose(y, onnx_run(op, [x], "float32", **attrs), rtol=1e-5, atol=1e-6)


def test_sigmoid_is_within_two_ulps_of_float64():
    x = np.linspace(-87, 87, 1_000_001).astype(F32)
    exact = 1 / (1 + np.exp(-x.astype(np.float64)))
    y = evaluate("Sigmoid", [Value(x)], Out(x.shape)).astype(np.float64)
    assert (np.abs(y - exact) / 2.0 ** (np.floor(np.log2(exact)) - 23)).max() <= 2.5


def test_relu_and_clip_keep_nan_and_the_sign_of_zero():
    x = np.array([np.nan, -3, -0.0, 5, 7], F32)
    for op, high, last in (("Relu", math.inf, 7), ("Clip", 6.0, 6)):
        y = evaluate(op, [Value(x)], Out(x.shape), clamp=[0.0, high])
        assert same_class(y, np.array([np.nan, 0, -0.0, 5, last], F32))


def test_float_edges():
    x = np.array([np.inf, -np.inf, np.nan, -0.0], F32)
    assert evaluate("Sigmoid", [Value(x)], Out(x.shape)).tolist()[:2] == [1, 0]
    swish = evaluate("HardSwish", [Value(x)], Out(x.shape))
    assert swish[0] == np.inf
    assert np.isnan(swish[1:3]).all()
    expected = np.array([1, 0, np.nan, 0.5], F32)
    assert same_class(evaluate("HardSigmoid", [Value(x)], Out(x.shape), alpha=0.2, beta=0.5), expected)

"""Conv: against a literal scalar loop for float32, against onnxruntime for both."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle import DocumentError, same_class
from tests.oracle.arithmetic import F32
from tests.unit.oracle.documents import Out, Value, evaluate
from tests.unit.oracle.sessions import onnx_run, weight_limit

# kernel, strides, pads (top, left, bottom, right), dilations, group, channels in, channels out
SHAPES = [
    ((1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1, 8, 16),
    ((3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1, 4, 6),
    ((3, 3), (2, 2), (0, 0, 1, 1), (1, 1), 1, 3, 8),
    ((3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 8, 8, 8),
    ((5, 3), (2, 1), (2, 0, 1, 3), (1, 2), 2, 4, 6),
    ((3, 3), (1, 2), (2, 2, 2, 2), (2, 2), 3, 6, 12),
]


def attributes(kernel, strides, pads, dilations, group):
    return {
        "kernel_shape": list(kernel),
        "strides": list(strides),
        "pads": list(pads),
        "dilations": list(dilations),
        "group": group,
    }


def out_size(size, attrs):
    def axis(i):
        reach = (attrs["kernel_shape"][i] - 1) * attrs["dilations"][i] + 1
        return (size[i] + attrs["pads"][i] + attrs["pads"][i + 2] - reach) // attrs["strides"][i] + 1

    return axis(0), axis(1)


def scalar_conv(x, w, bias, attrs, size):
    """The page's sentence on float32 Conv, one scalar operation at a time."""
    y = np.empty((x.shape[0], w.shape[0], *size), F32)
    per_group = w.shape[0] // attrs["group"]
    for n, oc, oh, ow in np.ndindex(y.shape):
        acc = F32(bias[oc])
        for kh, kw, ic in np.ndindex(w.shape[2], w.shape[3], w.shape[1]):
            ih = oh * attrs["strides"][0] - attrs["pads"][0] + kh * attrs["dilations"][0]
            iw = ow * attrs["strides"][1] - attrs["pads"][1] + kw * attrs["dilations"][1]
            if 0 <= ih < x.shape[2] and 0 <= iw < x.shape[3]:
                channel = (oc // per_group) * w.shape[1] + ic
                acc = F32(acc + F32(x[n, channel, ih, iw] * w[oc, ic, kh, kw]))
        y[n, oc, oh, ow] = acc
    return y


@pytest.mark.parametrize("shape", SHAPES)
def test_float_conv_sums_in_the_order_of_the_page(shape):
    *geometry, channels_in, channels_out = shape
    attrs = attributes(*geometry)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1, channels_in, 5, 6)).astype(F32)
    w = rng.normal(size=(channels_out, channels_in // attrs["group"], *geometry[0])).astype(F32)
    bias = rng.normal(size=channels_out).astype(F32)
    size = out_size((5, 6), attrs)
    inputs = [Value(x), Value(w, constant=True), Value(bias, constant=True)]
    y = evaluate("Conv", inputs, Out((1, channels_out, *size)), **attrs)
    assert same_class(y, scalar_conv(x, w, bias, attrs, size))
    expected = onnx_run("Conv", [x, w, bias], "float32", **attrs)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_float_padding_is_skipped_not_multiplied():
    x, w = np.ones((1, 1, 1, 1), F32), np.full((1, 1, 3, 3), np.inf, F32)
    w[0, 0, 1, 1] = 2
    attrs = attributes((3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1)
    assert evaluate("Conv", [Value(x), Value(w, constant=True)], Out((1, 1, 1, 1)), **attrs)[0, 0, 0, 0] == 2


def test_float_clamp_keeps_nan():
    x = np.array([np.nan, -1, 9], F32).reshape(1, 1, 1, 3)
    w = np.ones((1, 1, 1, 1), F32)
    y = evaluate(
        "Conv", [Value(x), Value(w, constant=True)], Out(x.shape), kernel_shape=[1, 1], clamp=[0.0, 6.0]
    )
    assert np.isnan(y[0, 0, 0, 0])
    assert y[0, 0, 0, 1:].tolist() == [0, 6]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("zero_points", [(-128, -128), (3, -7), (127, 0)])
def test_int8_conv_equals_onnxruntime(shape, zero_points):
    *geometry, channels_in, channels_out = shape
    attrs = attributes(*geometry)
    rng = np.random.default_rng(2)
    zx, zy = zero_points
    limit = weight_limit()
    x = rng.integers(-128, 128, (1, channels_in, 9, 10)).astype(np.int8)
    w = rng.integers(-limit, limit + 1, (channels_out, channels_in // attrs["group"], *geometry[0])).astype(
        np.int8
    )
    bias = rng.integers(-4000, 4000, channels_out).astype(np.int32)
    sx, sw, sy = F32(0.0213), rng.uniform(1e-3, 9e-3, channels_out).astype(F32), F32(0.0791)
    size = out_size((9, 10), attrs)
    inputs = [
        Value(x, sx, zx),
        Value(w, sw, axis=0, constant=True),
        Value(bias, sx * sw, axis=0, constant=True),
    ]
    y = evaluate("Conv", inputs, Out((1, channels_out, *size), "int8", sy, zy), **attrs)
    given = [x, sx, np.int8(zx), w, sw, np.zeros(channels_out, np.int8), sy, np.int8(zy), bias]
    expected = onnx_run("QLinearConv", [np.asarray(value) for value in given], "int8", **attrs)
    assert np.array_equal(y, expected)
    assert len(np.unique(y)) > 20, "the example saturates and proves nothing"


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    zx=st.integers(-128, 127),
    clamp=st.tuples(st.integers(-128, 127), st.integers(-128, 127)).map(sorted),
)
def test_int8_conv_follows_the_formula_with_python_integers(seed, zx, clamp):
    rng = np.random.default_rng(seed)
    x = rng.integers(-128, 128, (1, 3, 1, 1)).astype(np.int8)
    w = rng.integers(-128, 128, (2, 3, 1, 1)).astype(np.int8)
    sx, sw, sy = (rng.uniform(1e-3, 1, size).astype(F32) for size in (1, 2, 1))
    zy = int(rng.integers(-128, 128))
    y = evaluate(
        "Conv",
        [Value(x, sx, zx), Value(w, sw, axis=0, constant=True)],
        Out((1, 2, 1, 1), "int8", sy[0], zy),
        kernel_shape=[1, 1],
        clamp=clamp,
    )
    for channel in range(2):
        acc = sum((int(a) - zx) * int(b) for a, b in zip(x.ravel(), w[channel].ravel(), strict=True))
        real = float(F32(F32(acc) * F32(F32(sx[0] * sw[channel]) / sy[0])))
        # Python's round is half to even, like rne.
        assert y[0, channel, 0, 0] == round(min(max(real, clamp[0] - zy), clamp[1] - zy)) + zy


def test_a_conv_in_one_dimension_has_a_height_of_one():
    rng = np.random.default_rng(4)
    x, w = rng.normal(size=(1, 4, 20)).astype(F32), rng.normal(size=(6, 4, 3)).astype(F32)
    attrs = {"kernel_shape": [3], "strides": [2], "pads": [1, 1], "dilations": [1], "group": 1}
    y = evaluate("Conv", [Value(x), Value(w, constant=True)], Out((1, 6, 10)), **attrs)
    np.testing.assert_allclose(y, onnx_run("Conv", [x, w], "float32", **attrs), rtol=1e-5, atol=1e-5)


def test_int8_in_and_float_out_is_not_defined():
    inputs = [
        Value(np.zeros((1, 1, 1, 1), np.int8), 1),
        Value(np.ones((1, 1, 1, 1), np.int8), 1, constant=True),
    ]
    with pytest.raises(DocumentError, match=r"/test/node \(Conv\) is not defined from int8 to float32"):
        evaluate("Conv", inputs, Out((1, 1, 1, 1)), kernel_shape=[1, 1])

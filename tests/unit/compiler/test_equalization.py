"""Cross-layer equalization keeps the function and evens out channels; bias correction keeps means."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from onnx.reference import ReferenceEvaluator

from controller.compiler.frontend import import_model, read
from controller.compiler.ir import Quant, verify
from controller.compiler.ir.document import encode
from controller.compiler.passes import FLOAT_PASSES, apply
from controller.compiler.passes.equalization import cross_layer_equalization
from controller.compiler.quantize.ranges import to_quant
from controller.compiler.quantize.weights import quantize_weights
from tests.oracle import load, run
from tests.unit.compiler.onnx_files import model


def _network(seed, groups, activation, pool):
    """conv → activation → (pool →) conv of `groups` → conv, its channels of very different size."""
    random = np.random.default_rng(seed)
    spread = 2.0 ** random.integers(-6, 7, 8)
    constants = {
        "w1": random.standard_normal((8, 3, 3, 3)) * spread[:, None, None, None],
        "b1": random.standard_normal(8),
        "w2": random.standard_normal((8, 8 // groups, 3, 3)),
        "b2": random.standard_normal(8),
        "w3": random.standard_normal((4, 8, 1, 1)),
    }
    nodes = [helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="one", pads=[1] * 4)]
    last = "c1"
    if activation == "Relu":
        nodes.append(helper.make_node("Relu", [last], ["r1"]))
        last = "r1"
    elif activation == "Relu6":
        constants |= {"low": np.float32(0), "high": np.float32(6)}
        nodes.append(helper.make_node("Clip", [last, "low", "high"], ["r1"]))
        last = "r1"
    if pool:
        nodes.append(helper.make_node(pool, [last], ["p1"], kernel_shape=[2, 2], strides=[2, 2]))
        last = "p1"
    nodes += [
        helper.make_node("Conv", [last, "w2", "b2"], ["c2"], name="two", pads=[1] * 4, group=groups),
        helper.make_node("Conv", ["c2", "w3"], ["y"], name="three"),
    ]
    size = 3 if pool else 6
    floats = {name: value.astype(np.float32) for name, value in constants.items()}
    return model(nodes, {"x": [1, 3, 6, 6]}, {"y": [1, 4, size, size]}, floats)


def _graph(proto):
    graph = import_model(read(proto), {}, "test")
    apply(graph, FLOAT_PASSES)
    return graph


def _run(graph, x):
    return run(load(encode(graph)), {"x": x})


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from([1, 2, 8]),
    st.sampled_from(["Relu", None]),
    st.sampled_from(["MaxPool", "AveragePool", None]),
)
def test_the_float_function_stays_the_same_to_the_bit(seed, groups, activation, pool):
    proto = _network(seed, groups, activation, pool)
    before, after = _graph(proto), _graph(proto)
    divisors = cross_layer_equalization(after)
    verify(after, "cross_layer_equalization")
    assert divisors
    x = np.random.default_rng(seed).standard_normal((1, 3, 6, 6)).astype(np.float32)
    original, equalized = _run(before, x), _run(after, x)
    assert np.array_equal(original["y"], equalized["y"])
    assert np.allclose(equalized["y"], ReferenceEvaluator(proto).run(None, {"x": x})[0], rtol=1e-3, atol=1e-2)
    for name, factors in divisors.items():
        assert np.array_equal(equalized[name] * factors.reshape(-1, 1, 1), original[name])


def test_channels_become_of_similar_size():
    graph = _graph(_network(3, 1, "Relu", None))
    before = _spread(graph)
    cross_layer_equalization(graph)
    assert before > 64
    assert _spread(graph) <= before / 4
    first = np.abs(graph.tensors[graph.nodes[0].inputs[1]].value).reshape(8, -1).max(1)
    second = np.abs(graph.tensors[graph.nodes[1].inputs[1]].value).max((0, 2, 3))
    assert np.all((first / second <= 2) & (first / second >= 0.5))


def _spread(graph):
    sizes = np.abs(graph.tensors[graph.nodes[0].inputs[1]].value).reshape(8, -1).max(1)
    return sizes.max() / sizes.min()


def test_an_upper_bound_between_two_products_keeps_them_as_they_are():
    graph = _graph(_network(3, 1, "Relu6", None))
    first = graph.nodes[0].inputs[1]
    divisors = cross_layer_equalization(graph)
    assert graph.nodes[0].inputs[1] == first
    assert list(divisors) == ["c2"]


@pytest.mark.parametrize(("axis", "groups"), [(0, 1), (0, 2), (0, 4), (1, 1)])
def test_bias_correction_keeps_the_mean_output(axis, groups):
    random = np.random.default_rng(7)
    mean = random.standard_normal(4) * 3
    shape = (8, 4 // groups, 3, 3) if axis == 0 else (4, 8)
    w = random.standard_normal(shape).astype(np.float32)
    b = random.standard_normal(8).astype(np.float32)
    x, y = to_quant(-10, 10), Quant.per_tensor(0.1, 0)

    def output(weights, bias):
        if axis == 1:
            return mean @ weights + bias
        inputs = mean.reshape(groups, -1)
        per = 8 // groups
        return np.array([np.sum(weights[o] * inputs[o // per][:, None, None]) for o in range(8)]) + bias

    def error(done):
        wide = done.weight_quant.scale.astype(np.float64).reshape(
            [-1 if i == axis else 1 for i in range(w.ndim)]
        )
        got = output(done.weight * wide, done.bias * done.bias_quant.scale.astype(np.float64))
        return np.abs(got - output(w.astype(np.float64), b))

    plain, corrected = (quantize_weights(w, b, axis, x, y, mean=m) for m in (None, mean))
    step = corrected.bias_quant.scale
    assert np.all(error(corrected) <= step * 0.51)
    assert error(plain).max() > 4 * step.max()

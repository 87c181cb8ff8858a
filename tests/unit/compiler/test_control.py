"""If, Loop and Scan: what is known is written out; both branches run where the condition is computed."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from controller.compiler.errors import UnsupportedError
from controller.compiler.execute import Instance
from tests.support.compiling import compile_graph

FLOATS, BOOL, INT64 = TensorProto.FLOAT, TensorProto.BOOL, TensorProto.INT64


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    onnx.checker.check_model(proto)
    return proto


def agrees(proto, tmp_path, **inputs):
    wanted = ReferenceEvaluator(proto).run(None, inputs)
    results = Instance(compile_graph(proto, tmp_path).wasm).run(inputs)
    for expected, result in zip(wanted, results.values(), strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-6)


def branches():
    then = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["t"])], "then", [], [value("t", FLOATS, [3])]
    )
    other = helper.make_graph(
        [helper.make_node("Mul", ["x", "x"], ["e"])], "other", [], [value("e", FLOATS, [3])]
    )
    return {"then_branch": then, "else_branch": other}


@pytest.mark.parametrize("truth", [True, False])
def test_a_condition_that_is_computed_selects(tmp_path, truth):
    node = helper.make_node("If", ["c"], ["y"], "/if", **branches())
    proto = model([node], [value("c", BOOL, []), value("x", FLOATS, [3])], [value("y", FLOATS, [3])])
    agrees(proto, tmp_path, c=np.array(truth), x=np.array([1, 2, 3], np.float32))


def test_a_branch_that_cannot_be_compiled_tells_why_it_has_to_be(tmp_path):
    graphs = branches()
    graphs["else_branch"].node[0].CopyFrom(helper.make_node("RandomNormalLike", ["x"], ["e"]))
    node = helper.make_node("If", ["c"], ["y"], "/if", **graphs)
    proto = model([node], [value("c", BOOL, []), value("x", FLOATS, [3])], [value("y", FLOATS, [3])])
    with pytest.raises(UnsupportedError, match="no source of chance") as caught:
        compile_graph(proto, tmp_path)
    assert "both branches of /if are compiled, as its condition c is computed" in caught.value.remedy


@pytest.mark.parametrize("truth", [True, False])
def test_only_the_branch_that_is_taken_is_compiled(tmp_path, truth):
    node = helper.make_node("If", ["c"], ["y"], "/if", **branches())
    condition = onnx.numpy_helper.from_array(np.array(truth), "c")
    proto = model([node], [value("x", FLOATS, [3])], [value("y", FLOATS, [3])], [condition])
    module = compile_graph(proto, tmp_path)
    assert [layer.op for layer in module.meta.layers] == ["Add" if truth else "Mul"]
    agrees(proto, tmp_path, x=np.array([1, 2, 3], np.float32))


def test_a_loop_carries_and_stacks(tmp_path):
    body = helper.make_graph(
        [
            helper.make_node("Cast", ["i"], ["turn"], to=FLOATS),
            helper.make_node("Add", ["h", "turn"], ["next"]),
            helper.make_node("Mul", ["next", "scale"], ["seen"]),
        ],
        "body",
        [value("i", INT64, []), value("go", BOOL, []), value("h", FLOATS, [2])],
        [value("go", BOOL, []), value("next", FLOATS, [2]), value("seen", FLOATS, [2])],
    )
    node = helper.make_node("Loop", ["turns", "yes", "x"], ["last", "all"], "/loop", body=body)
    proto = model(
        [node],
        [value("x", FLOATS, [2]), value("scale", FLOATS, [])],
        [value("last", FLOATS, [2]), value("all", FLOATS, [4, 2])],
        [
            onnx.numpy_helper.from_array(np.array(4, np.int64), "turns"),
            onnx.numpy_helper.from_array(np.array(True), "yes"),
        ],
    )
    agrees(proto, tmp_path, x=np.array([1, -2], np.float32), scale=np.array(0.5, np.float32))


@pytest.mark.parametrize("direction", [0, 1])
def test_a_scan_in_both_directions(tmp_path, direction):
    body = helper.make_graph(
        [
            helper.make_node("Add", ["sum", "next"], ["total"]),
            helper.make_node("Identity", ["total"], ["out"]),
        ],
        "body",
        [value("sum", FLOATS, [2]), value("next", FLOATS, [2])],
        [value("total", FLOATS, [2]), value("out", FLOATS, [2])],
    )
    node = helper.make_node(
        "Scan",
        ["h", "x"],
        ["last", "all"],
        "/scan",
        body=body,
        num_scan_inputs=1,
        scan_input_directions=[direction],
    )
    proto = model(
        [node],
        [value("h", FLOATS, [2]), value("x", FLOATS, [3, 2])],
        [value("last", FLOATS, [2]), value("all", FLOATS, [3, 2])],
    )
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    results = Instance(compile_graph(proto, tmp_path).wasm).run({"h": np.zeros(2, np.float32), "x": x})
    sums = np.cumsum(x[::-1] if direction else x, 0)
    # The order of the stack is that of the turns.
    np.testing.assert_array_equal(results["all"], sums)
    np.testing.assert_array_equal(results["last"], x.sum(0))

"""float16 outputs whose size depends on data: as large as they are, and read by nobody else."""

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from controller.compiler import Instance, compile_model
from controller.compiler.errors import UnsupportedError

GIVEN = {"x": np.array([2, 1, 1, 3, 4, 3], np.float16), "m": np.array([1, 0, 1, 1, 0, 0], bool)}


def model(*nodes, types=(TensorProto.FLOAT16,)):
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT16, [6]),
        helper.make_tensor_value_info("m", TensorProto.BOOL, [6]),
    ]
    used = {name for node in nodes for name in node.input}
    outputs = [
        helper.make_tensor_value_info(f"y{i}", kind, [f"N{i}"] * (2 if kind == TensorProto.UINT64 else 1))
        for i, kind in enumerate(types)
    ]
    graph = helper.make_graph(nodes, "g", [value for value in inputs if value.name in used], outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.mark.parametrize("target", ["simd", "mvp"])
@pytest.mark.parametrize(
    "made",
    [
        model(
            helper.make_node("Unique", ["x"], ["y0", "y1", "y2", "y3"]),
            types=(TensorProto.FLOAT16, *[TensorProto.INT64] * 3),
        ),
        model(helper.make_node("Compress", ["x", "m"], ["y0"], axis=0)),
    ],
    ids=["Unique", "Compress"],
)
def test_it_has_the_size_that_the_data_say(made, target):
    given = {value.name: GIVEN[value.name] for value in made.graph.input}
    found = Instance(compile_model(made, target=target).wasm).run(given)
    for value, expected in zip(found.values(), ReferenceEvaluator(made).run(None, given), strict=True):
        assert value.dtype == expected.dtype
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("reader", ["Relu", "NonZero", "Size", "Cast"])
def test_who_reads_one_is_named(reader):
    attrs = {"to": TensorProto.FLOAT} if reader == "Cast" else {}
    nodes = [
        helper.make_node("Compress", ["x", "m"], ["some"], axis=0),
        helper.make_node(reader, ["some"], ["y0"], "/reader", **attrs),
    ]
    with pytest.raises(UnsupportedError, match=r"/reader .*size depends on data"):
        compile_model(model(*nodes, types=(TensorProto.FLOAT,)))

"""Small files that ask for much: each is refused within 10 s of computing, naming what asked."""

import os
import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from controller.compiler import BrokenModelError, CompileError, UnsupportedError, compile_model
from controller.compiler.frontend import import_model, read
from tests.unit.compiler.onnx_files import gemm_model, model, save


def refused(source, kind, text, seconds=10):
    began = time.process_time()
    with pytest.raises(kind, match=text) as caught:
        import_model(read(source), {}, "test")
    assert time.process_time() - began < seconds
    assert caught.value.remedy
    return caught.value


def body(nodes, turns_of=None):
    """A loop's body that carries h."""
    infos = [
        helper.make_tensor_value_info("i", TensorProto.INT64, []),
        helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        helper.make_tensor_value_info("h", TensorProto.FLOAT, [1, 3]),
    ]
    out = helper.make_tensor_value_info("r", TensorProto.FLOAT, [1, 3])
    return helper.make_graph(nodes, "body", infos, [infos[1], out])


def loop(depth, turns):
    """Loops within loops."""
    inner = [helper.make_node("Relu", ["h"], ["r"])]
    for _ in range(depth - 1):
        inner = [helper.make_node("Loop", ["turns", "", "h"], ["r"], body=body(inner))]
    node = helper.make_node("Loop", ["turns", "", "x"], ["y"], name="/loop", body=body(inner))
    return model([node], constants={"turns": np.array(turns, np.int64)})


def test_loops_within_loops():
    error = refused(loop(4, 100), UnsupportedError, "written out, have more than 10,000 nodes")
    assert error.node.startswith("/loop/0/")


def test_a_loop_of_many_turns():
    refused(loop(1, 1 << 40), UnsupportedError, r"/loop \(Loop\)")


def test_functions_that_call_functions():
    opset = helper.make_opsetid("", 17)
    ours = helper.make_opsetid("bomb", 1)
    functions = [
        helper.make_function("bomb", "f0", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], [opset])
    ]
    for level in range(1, 12):
        calls = [
            helper.make_node(
                f"f{level - 1}", [f"t{i}" if i else "a"], [f"t{i + 1}" if i < 9 else "b"], domain="bomb"
            )
            for i in range(10)
        ]
        functions.append(helper.make_function("bomb", f"f{level}", ["a"], ["b"], calls, [opset, ours]))
    proto = model([helper.make_node("f11", ["x"], ["y"], name="/f", domain="bomb")])
    proto.opset_import.append(ours)
    proto.functions.extend(functions)
    refused(proto, CompileError, "more than 10,000 nodes")


def test_constants_computed_from_constants():
    """Each is small enough, all together are not."""
    size = np.array([1 << 13, 1 << 12], np.int64)
    nodes = [helper.make_node("ConstantOfShape", ["s"], ["t0"])]
    nodes += [helper.make_node("Exp", [f"t{i}"], [f"t{i + 1}"], name=f"/exp{i}") for i in range(200)]
    nodes += [
        helper.make_node("ReduceMax", ["t200"], ["m"], keepdims=0),
        helper.make_node("Add", ["x", "m"], ["y"]),
    ]
    error = refused(model(nodes, constants={"s": size}), BrokenModelError, "2 GiB to compute")
    assert error.layer.endswith("(Exp)")


@pytest.mark.parametrize("shape", [[1 << 40, 3], [1 << 62, 1 << 62], [1 << 31, 1]])
def test_giant_inputs(shape):
    proto = model([helper.make_node("Relu", ["x"], ["y"])], {"x": shape}, {"y": shape})
    refused(proto, BrokenModelError, "more than 1,024 MiB")


def test_giant_results():
    nodes = [helper.make_node("Expand", ["x", "s"], ["y"], name="/expand")]
    proto = model(
        nodes, outputs={"y": [1 << 20, 1 << 20, 3]}, constants={"s": np.array([1 << 20, 1 << 20, 3])}
    )
    refused(proto, CompileError, "/expand")


def test_graphs_within_graphs_without_end():
    """Deeper than protobuf reads; written by hand, as no writer would."""

    def field(number, content):
        size = len(content)
        varint = bytes(
            (size >> 7 * i & 127) | 128 * (size >> 7 * (i + 1) > 0)
            for i in range(max(1, -(-size.bit_length() // 7)))
        )
        return bytes([number << 3 | 2]) + varint + content

    graph = field(1, field(4, b"Relu"))
    for _ in range(200):
        graph = field(1, field(4, b"If") + field(5, field(1, b"then_branch") + field(6, graph)))
    refused(field(7, graph), BrokenModelError, "is not an ONNX file, or it is truncated")


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_scales_that_are_none(scale):
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], name="/quantize"),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], name="/dequantize"),
    ]
    proto = model(nodes, constants={"s": np.float32(scale), "z": np.uint8(0)})
    error = refused(proto, BrokenModelError, "1 of 1 scales in s are not positive numbers")
    assert error.layer == "/quantize (QuantizeLinear)"


def test_weights_of_a_node_inside_a_graph_in_a_file_outside_the_folder(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(12))
    folder = tmp_path / "inner"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    for location in ("../secret", str(tmp_path / "secret"), "link"):
        tensor = numpy_helper.from_array(np.zeros(3, np.float32), "w")
        onnx.external_data_helper.set_external_data(tensor, location, 0, 12)
        tensor.ClearField("raw_data")
        branch = helper.make_graph(
            [helper.make_node("Constant", [], ["r"], value=tensor)],
            "g",
            [],
            [helper.make_tensor_value_info("r", 1, [3])],
        )
        node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
        path = save(model([node], outputs={"y": [3]}, constants={"c": np.array(True)}), folder)
        refused(path, BrokenModelError, "outside of the model's folder")


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("offset", "-4", "says 48 from -4"),
        ("offset", "9" * 30, "cannot be read"),
        ("offset", "44", "needs 48 bytes of w.bin, which has 4"),
        ("length", "47", "has 48 bytes by its shape, and says 47"),
        ("length", "many", "names its place wrongly"),
        ("location", "", "is missing"),
        ("location", "a\0b", "names its place wrongly"),
    ],
)
def test_places_of_external_data_that_are_wrong(tmp_path, key, value, why):
    proto = gemm_model()
    tensor = proto.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, "w.bin", 0, 48)
    tensor.ClearField("raw_data")
    next(entry for entry in tensor.external_data if entry.key == key).value = value
    (tmp_path / "w.bin").write_bytes(bytes(48))
    path = tmp_path / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    refused(path, BrokenModelError, why)


def test_external_data_of_a_model_without_a_folder():
    proto = gemm_model()
    onnx.external_data_helper.set_external_data(proto.graph.initializer[0], "w.bin", 0, 48)
    proto.graph.initializer[0].ClearField("raw_data")
    refused(proto, BrokenModelError, "tensor w is in another file")
    refused(proto.SerializeToString(), BrokenModelError, "tensor w is in another file")


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.onnx")
    refused(tmp_path / "pipe.onnx", BrokenModelError, "is not a file")
    refused(tmp_path, BrokenModelError, "is not a file")
    huge = tmp_path / "huge.onnx"
    with huge.open("wb") as file:
        file.truncate(1 << 33)
    refused(huge, BrokenModelError, "at most 2,147,483,647")


def test_a_method_that_does_not_exist():
    with pytest.raises(CompileError, match="unknown method best"):
        compile_model(gemm_model(), calibration={"x": np.zeros((2, 1, 4))}, method="best")

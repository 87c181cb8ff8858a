"""Each bad ONNX file gives one error that names the thing, the place and the remedy."""

import numpy as np
import onnx
import pytest
from onnx import helper

from controller.compiler import (
    BrokenModelError,
    CompileError,
    DynamicShapeError,
    UnsupportedError,
)
from controller.compiler.frontend import import_model, read
from tests.unit.compiler.onnx_files import gemm_model, model, save


def compile_(path, shapes=None):
    return import_model(read(path), shapes or {}, "test")


def refused(path, kind, shapes=None):
    with pytest.raises(kind) as caught:
        compile_(path, shapes)
    error = caught.value
    assert error.exit_code == 3
    assert error.remedy
    return error


def test_missing_file(tmp_path):
    assert "nothing.onnx" in refused(tmp_path / "nothing.onnx", BrokenModelError).what


@pytest.mark.parametrize("data", [b"", b"GIF89a\0\0\0", b"\x08", b"\xff" * 100])
def test_not_onnx(tmp_path, data):
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    assert "model.onnx" in refused(path, BrokenModelError).what


def test_truncated_anywhere(tmp_path):
    whole = gemm_model().SerializeToString()
    for end in range(0, len(whole), 7):
        path = tmp_path / "model.onnx"
        path.write_bytes(whole[:end])
        with pytest.raises(CompileError):
            compile_(path)


def test_unknown_operator_names_node_operator_and_remedy(tmp_path):
    path = save(model([helper.make_node("Frobnicate", ["x"], ["y"], name="/decoder/f")]), tmp_path)
    error = refused(path, UnsupportedError)
    assert error.what == "cannot compile node /decoder/f (Frobnicate): opset 17 has no such operator"
    assert error.where == "model.onnx, opset 17"
    assert "docs/operators.md" in error.remedy


def test_operator_without_kernel(tmp_path):
    node = helper.make_node("RandomUniformLike", ["x"], ["y"], name="/image")
    path = save(model([node], opset=17), tmp_path)
    error = refused(path, UnsupportedError)
    assert error.what == "cannot compile node /image (RandomUniformLike): a module has no source of chance"


def test_foreign_domain(tmp_path):
    proto = model([helper.make_node("Gelu", ["x"], ["y"], name="/g", domain="com.microsoft")])
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    assert "com.microsoft" in refused(save(proto, tmp_path), UnsupportedError).what


def test_unnamed_nodes_are_named_by_operator_and_place(tmp_path):
    path = save(model([helper.make_node("RandomUniformLike", ["x"], ["y"])], opset=17), tmp_path)
    assert "node RandomUniformLike_0 (RandomUniformLike)" in refused(path, UnsupportedError).what


def test_node_names_are_unique_and_printable(tmp_path):
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="same"),
        helper.make_node("Relu", ["a"], ["b"], name="same"),
        helper.make_node("Relu", ["b"], ["c"], name="bell\a" + "x" * 600),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Relu", ["d"], ["y"], name="Relu_3"),
    ]
    graph = compile_(save(model(nodes), tmp_path))
    assert [node.name[:8] for node in graph.nodes] == ["same", "same_2", "bell?xxx", "Relu_3_2", "Relu_3"]
    assert len(graph.nodes[2].name) == 512


def test_tensor_names_that_cannot_be_shown(tmp_path):
    node = helper.make_node("Relu", ["x"], ["\x1b[2J"], name="/r")
    error = refused(save(model([node], outputs={"\x1b[2J": [1, 3]}), tmp_path), BrokenModelError)
    assert "a name in it is not text" in error.what


def test_dynamic_shape_says_what_to_give(tmp_path):
    node = helper.make_node("Relu", ["x"], ["y"], name="/r")
    path = save(model([node], {"x": ["batch", 3, "height", 8]}, {"y": None}), tmp_path)
    # onnx's checker wants a rank for outputs.
    proto = onnx.load(path)
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", 1, ["a", "b", "c", "d"]))
    path = save(proto, tmp_path)
    error = refused(path, DynamicShapeError)
    assert error.what == 'input "x" has a dynamic size: batch x 3 x height x 8'
    assert error.remedy == "--shape x=1,3,1,8"
    assert compile_(path, {"x": [2, 3, 5, 8]}).tensors["y"].shape == (2, 3, 5, 8)
    assert "does not fit" in refused(path, DynamicShapeError, {"x": [2, 4, 5, 8]}).what
    assert "does not fit" in refused(path, DynamicShapeError, {"x": [2, 3, 8]}).what
    assert "does not fit" in refused(path, DynamicShapeError, {"x": [0, 3, 5, 8]}).what
    assert "inputs: x" in refused(path, DynamicShapeError, {"z": [1]}).remedy


def test_a_symbol_fixed_by_one_input_holds_for_the_others(tmp_path):
    node = helper.make_node("Add", ["x", "z"], ["y"], name="/add")
    path = save(model([node], {"x": ["n", 3], "z": ["n", 3]}, {"y": ["n", 3]}), tmp_path)
    assert compile_(path, {"x": [4, 3]}).tensors["z"].shape == (4, 3)


@pytest.mark.parametrize("opset", [6, 9999])
def test_opset_out_of_range(tmp_path, opset):
    path = save(model([helper.make_node("Relu", ["x"], ["y"])], opset=opset), tmp_path)
    error = refused(path, BrokenModelError)
    assert f"opset {opset}; 7 to" in error.what


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(tmp_path, value):
    weights = np.ones((4, 3), np.float32)
    weights[2, 1] = value
    error = refused(save(gemm_model(weights), tmp_path), BrokenModelError)
    assert error.what == "weights w of node /head (MatMul) hold 1 NaN or infinite values of 12"


def test_missing_external_data(tmp_path):
    proto = gemm_model(np.zeros((400, 3), np.float32))
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", 1, [1, 400]))
    path = tmp_path / "model.onnx"
    onnx.save(proto, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert compile_(path).nodes
    first = read(path).digest
    (tmp_path / "weights.bin").write_bytes(bytes(4800 - 1) + b"\x3f")
    assert read(path).digest != first, "external data are a part of the model"
    (tmp_path / "weights.bin").unlink()
    error = refused(path, BrokenModelError)
    assert error.what == "external data weights.bin of tensor w is missing"


def test_external_data_outside_the_folder(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(48))
    folder = tmp_path / "inner"
    folder.mkdir()
    proto = gemm_model()
    tensor = proto.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, "../secret", 0, 48)
    tensor.ClearField("raw_data")
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    assert "../secret" in refused(path, BrokenModelError).what


def test_cycle(tmp_path):
    nodes = [
        helper.make_node("Relu", ["b"], ["a"], name="/1"),
        helper.make_node("Relu", ["a"], ["b"], name="/2"),
    ]
    error = refused(save(model(nodes, outputs={"b": [1, 3]}), tmp_path), BrokenModelError)
    assert error.what.startswith("node /1 (Relu) reads b, which /2 (Relu) makes only after it: ")
    assert "cyclic" in error.what
    assert error.layer == "/1 (Relu)"


def test_a_node_that_reads_itself(tmp_path):
    nodes = [helper.make_node("Add", ["x", "y"], ["y"], name="/loop")]
    error = refused(save(model(nodes, outputs={"y": [1, 3]}), tmp_path), BrokenModelError)
    assert "node /loop (Add) reads y, which the node itself makes" in error.what


def test_a_name_that_nothing_makes(tmp_path):
    nodes = [helper.make_node("Relu", ["lost"], ["y"], name="/1")]
    error = refused(save(model(nodes, outputs={"y": [1, 3]}), tmp_path), BrokenModelError)
    assert error.what == "node /1 (Relu) reads lost, which nothing makes"


def test_a_convolution_whose_weights_have_other_channels(tmp_path):
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], name="/conv")]
    constants = {"w": np.ones((2, 4, 3, 3), np.float32)}
    proto = model(nodes, {"x": [1, 3, 8, 8]}, {"y": [1, 2, 6, 6]}, constants)
    error = refused(save(proto, tmp_path), BrokenModelError)
    assert "in node /conv (Conv): " in error.what
    assert "[1, 3, 8, 8]" in error.what
    assert "[2, 4, 3, 3]" in error.what
    assert error.layer == "/conv (Conv)"


def test_weights_of_a_wrong_shape(tmp_path):
    error = refused(save(gemm_model(np.zeros((5, 3), np.float32)), tmp_path), BrokenModelError)
    assert "/head (MatMul)" in error.what


def test_a_constant_of_absurd_size(tmp_path):
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["big"], name="/big"),
        helper.make_node("Add", ["x", "big"], ["y"], name="/add"),
    ]
    shape = np.array([1 << 20, 1 << 20], np.int64)
    proto = model(nodes, outputs={"y": ["a", "b"]}, constants={"s": shape})
    assert "more than 256 MiB" in refused(save(proto, tmp_path), BrokenModelError).what


def test_a_loop_whose_end_is_computed(tmp_path):
    body = helper.make_graph(
        [helper.make_node("Relu", ["h"], ["r"])],
        "body",
        [
            helper.make_tensor_value_info("i", onnx.TensorProto.INT64, []),
            helper.make_tensor_value_info("go", onnx.TensorProto.BOOL, []),
            helper.make_tensor_value_info("h", 1, [1, 3]),
        ],
        [
            helper.make_tensor_value_info("go", onnx.TensorProto.BOOL, []),
            helper.make_tensor_value_info("r", 1, [1, 3]),
        ],
    )
    nodes = [
        helper.make_node("Cast", ["x"], ["turns"], to=onnx.TensorProto.INT64),
        helper.make_node("Loop", ["turns", "", "x"], ["y"], name="/loop", body=body),
    ]
    proto = model(nodes)
    assert "/loop (Loop)" in refused(save(proto, tmp_path), UnsupportedError).what


def test_average_over_nothing(tmp_path):
    node = helper.make_node("AveragePool", ["x"], ["y"], name="/pool", kernel_shape=[2, 2], pads=[3, 0, 0, 0])
    proto = model([node], {"x": [1, 1, 4, 4]}, {"y": [1, 1, 6, 3]})
    assert "no element" in refused(save(proto, tmp_path), UnsupportedError).what


def test_mutated_files_give_our_own_errors(tmp_path):
    """A small fuzz: whatever the bytes are, the error is one of ours."""
    seed = 1234
    random = np.random.default_rng(seed)
    whole = np.frombuffer(gemm_model().SerializeToString(), np.uint8)
    path = tmp_path / "model.onnx"
    for _ in range(300):
        data = whole.copy()
        for place in random.integers(0, len(data), random.integers(1, 4)):
            data[place] = random.integers(0, 256)
        path.write_bytes(data.tobytes())
        try:
            compile_(path)
        except CompileError:
            continue
        except Exception as error:  # noqa: BLE001 - any other class is what this test looks for
            pytest.fail(f"seed {seed}: {type(error).__name__}: {error}")

"""Passes: what each leaves of a small graph, judged by names and by onnxruntime elsewhere."""

import math

import numpy as np
import pytest

from controller.compiler.errors import IllegalGraphError
from controller.compiler.frontend import import_model, read
from controller.compiler.ir import FLOAT, INT8, Graph, Node, Quant, Tensor, verify
from controller.compiler.ir.document import decode, encode
from controller.compiler.passes import FLOAT_PASSES, apply, assign_layout
from controller.compiler.passes.layout import same_memory
from controller.compiler.plan import plan
from controller.compiler.targets import TARGETS
from tests.support import onnx_models as models
from tests.unit.compiler.onnx_files import save


@pytest.fixture
def graph_of(tmp_path):
    def make(name: str) -> Graph:
        graph = import_model(read(save(models.build(name), tmp_path)), {}, "test")
        apply(graph, FLOAT_PASSES)
        return graph

    return make


def ops(graph: Graph) -> list[str]:
    return [node.op for node in graph.nodes]


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("batch_norm_folded", ["Conv"]),
        ("batch_norm_alone", ["Conv"]),
        ("batch_norm_vector", ["Mul", "Add"]),
        ("affine_chain", ["Conv"]),
        ("matmul_bias", ["MatMul"]),
        ("relu6", ["Conv"]),
        ("hard_swish_as_arithmetic", ["Conv", "HardSwish"]),
        ("residual", ["Conv", "Conv", "Add"]),
        ("pad_before_conv", ["Conv"]),
        ("pad_before_average_pool", ["AveragePool"]),
        ("pad_alone", ["Concat", "Concat", "Concat"]),
        ("pad_opset9", ["Concat", "Concat"]),
        ("identity_and_dropout", ["Identity"]),
        ("shape_arithmetic", ["Conv", "Reshape"]),
        ("squeeze_unsqueeze", ["GlobalAveragePool", "Unsqueeze", "Relu"]),
        ("flatten_gemm", ["Conv", "Transpose", "Flatten", "Gemm"]),
        ("reshape_map", ["Conv", "Reshape"]),
        ("global_max_pool", ["MaxPool"]),
    ],
)
def test_what_is_left(graph_of, recipe, expected):
    assert ops(graph_of(recipe)) == expected


def test_a_folded_node_keeps_the_name_of_the_convolution(graph_of):
    (node,) = graph_of("batch_norm_folded").nodes
    assert node.name == "/conv_0"
    assert node.attrs["clamp"] == [0, math.inf]


def moves(graph: Graph) -> list[str]:
    """Steps that only move memory."""
    assign_layout(graph)
    verify(graph, "assign_layout", lowered=True)
    steps = plan(graph, TARGETS["mvp"]).steps
    return [
        step.name
        for step in steps
        if {call.kernel for call in step.calls} <= {"fleet_copy", "fleet_strided_copy"}
    ]


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("conv_3x3_padded", ["/conv_0/layout", "/conv_0/layout_2"]),  # ONNX's order at both ends
        ("flatten_gemm", ["/conv_0/layout"]),  # the flattening costs nothing
        ("channels_last_model", []),  # both transpositions are names only
        ("mobile_block", ["/conv_0/layout"]),
        ("squeeze_excite", ["/conv_0/layout", "/mul_5/layout"]),
        ("global_average_pool", ["/globalaveragepool_0/layout"]),
        ("softmax_channels", ["/conv_0/layout", "/softmax_1/layout"]),
        ("gemm", []),
    ],
)
def test_as_few_transposes_as_possible(graph_of, recipe, expected):
    assert moves(graph_of(recipe)) == expected


def test_orders_that_differ_in_dimensions_of_one_are_the_same():
    assert same_memory((1, 5, 1, 1), (0, 1, 2, 3), (0, 2, 3, 1))
    assert same_memory((2, 1, 3, 4), (0, 1, 2, 3), (0, 2, 3, 1))
    assert not same_memory((1, 5, 2, 1), (0, 1, 2, 3), (0, 2, 3, 1))


@pytest.mark.parametrize("recipe", ["mobile_block", "pad_alone", "two_outputs", "matmul_bias"])
def test_a_document_comes_back_as_it_was(graph_of, recipe):
    data = encode(graph_of(recipe))
    again = decode(data)
    verify(again, "decode", lowered=True)
    assert encode(again) == data


def relu_graph() -> Graph:
    tensors = {name: Tensor(name, FLOAT, (2, 3)) for name in ("x", "y")}
    return Graph("test", ["x"], ["y"], tensors, [Node("r", "Relu", ["x"], ["y"], {"clamp": [0.0, math.inf]})])


def break_name(g):
    g.nodes[0].name = ""


def break_operator(g):
    g.nodes[0].op = "Rleu"


def break_attribute(g):
    g.nodes[0].attrs["slope"] = 1


def break_missing_attribute(g):
    del g.nodes[0].attrs["clamp"]


def break_shape(g):
    g.tensors["y"].shape = (3, 2)


def break_empty_shape(g):
    g.tensors["y"].shape = (0, 3)


def break_order(g):
    g.nodes[0].inputs = ["y"]


def break_output(g):
    g.outputs = ["z"]


def break_type(g):
    g.tensors["y"].dtype = INT8


def break_int8_form(g):
    for tensor in g.tensors.values():
        tensor.dtype, tensor.quant = INT8, Quant.per_tensor(0.1, 0)


def break_scale(g):
    g.tensors["x"].quant = Quant.per_tensor(0.0, 0)


def break_memory_order(g):
    g.tensors["x"].order = (0, 0)


def break_copy_scale(g):
    g.nodes[0] = Node("i", "Identity", ["x"], ["y"])
    for scale, tensor in enumerate(g.tensors.values(), start=1):
        tensor.dtype, tensor.quant = INT8, Quant.per_tensor(scale, 0)


@pytest.mark.parametrize("damage", [f for n, f in sorted(globals().items()) if n.startswith("break_")])
def test_the_verifier_refuses(damage):
    graph = relu_graph()
    verify(graph, "before")
    damage(graph)
    with pytest.raises(IllegalGraphError) as caught:
        verify(graph, "break")
    assert "the pass break" in caught.value.remedy


def test_operators_of_the_front_half_are_refused_after_it():
    graph = relu_graph()
    for name in ("scale", "shift"):
        graph.add_constant(name, np.ones(graph.tensors["x"].shape[1], np.float32))
    graph.nodes[0] = Node("b", "BatchNormalization", ["x", "scale", "shift"], ["y"])
    verify(graph, "frontend")
    with pytest.raises(IllegalGraphError):
        verify(graph, "passes", lowered=True)

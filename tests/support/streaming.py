"""Small models with a state `h`, whose next value is `hn`."""

import onnx
from onnx import TensorProto, helper

SIZE = 3
STATE = {"h": "hn"}


def _model(*nodes: onnx.NodeProto, output: int) -> onnx.ModelProto:
    kinds = {"x": TensorProto.FLOAT, "h": TensorProto.FLOAT, "hn": TensorProto.FLOAT, "y": output}
    infos = {name: helper.make_tensor_value_info(name, kind, [SIZE]) for name, kind in kinds.items()}
    graph = helper.make_graph(nodes, "g", [infos["x"], infos["h"]], [infos["y"], infos["hn"]])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def counter() -> onnx.ModelProto:
    """h' = h + x; y = 2 h'."""
    return _model(
        helper.make_node("Add", ["x", "h"], ["hn"], name="/add"),
        helper.make_node("Add", ["hn", "hn"], ["y"], name="/double"),
        output=TensorProto.FLOAT,
    )


def comparison() -> onnx.ModelProto:
    """h' = h + x; y = h' > x: no float comes out."""
    return _model(
        helper.make_node("Add", ["x", "h"], ["hn"], name="/add"),
        helper.make_node("Greater", ["hn", "x"], ["y"], name="/greater"),
        output=TensorProto.BOOL,
    )

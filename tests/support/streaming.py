"""Small models with a state `h`, whose next value is `hn`."""

from collections.abc import Mapping

import onnx
from onnx import TensorProto, helper

SIZE = 3
STATE = {"h": "hn"}


def _model(
    *nodes: onnx.NodeProto, output: int = TensorProto.FLOAT, state: Mapping[str, str] = STATE
) -> onnx.ModelProto:
    def infos(*names: str, kind: int = TensorProto.FLOAT) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(name, kind, [SIZE]) for name in names]

    outputs = [*infos("y", kind=output), *infos(*state.values())]
    graph = helper.make_graph(nodes, "g", infos("x", *state), outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def counter() -> onnx.ModelProto:
    """h' = h + x; y = 2 h'."""
    return _model(
        helper.make_node("Add", ["x", "h"], ["hn"], name="/add"),
        helper.make_node("Add", ["hn", "hn"], ["y"], name="/double"),
    )


def comparison() -> onnx.ModelProto:
    """h' = h + x; y = h' > x: no float comes out."""
    return _model(
        helper.make_node("Add", ["x", "h"], ["hn"], name="/add"),
        helper.make_node("Greater", ["hn", "x"], ["y"], name="/greater"),
        output=TensorProto.BOOL,
    )


PAIR = {"a": "an", "b": "bn"}
SHUFFLES = (
    "an = Add x b; bn = Identity a; y = Sub a b",
    "an = Identity b; bn = Identity a; y = Add a x",
    "an = Identity x; bn = Identity a; y = Add a b",
    "bn = Relu a; an = Add bn x; y = Neg b",
    "an = Add a x; bn = Relu an; y = Identity an",
    "an = Add a x; bn = Add a b; y = Add a an",
)
"""What could go wrong where two states are each other's next value, or are read after it was made."""


def shuffle(text: str) -> onnx.ModelProto:
    """A model with the states of `PAIR`, from one of `SHUFFLES`."""
    nodes = []
    for statement in text.split("; "):
        output, _, op, *inputs = statement.split()
        nodes.append(helper.make_node(op, inputs, [output], name=f"/{output}"))
    return _model(*nodes, state=PAIR)

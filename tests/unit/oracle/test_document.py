"""Reading documents, and refusing what is not one."""

import cbor2
import numpy as np
import pytest

from tests.oracle import DocumentError, load, run
from tests.oracle.arithmetic import F32
from tests.unit.oracle.documents import Out, Value, evaluate, one_node

X = np.arange(6, dtype=F32).reshape(1, 6)


def valid() -> dict:
    return cbor2.loads(one_node("Sigmoid", [Value(X)], Out(X.shape)))


def broken(change) -> bytes:
    raw = valid()
    change(raw)
    return cbor2.dumps(raw)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.update(format=2), "format 2; this oracle reads 1"),
        (lambda raw: raw.pop("nodes"), "KeyError: 'nodes'"),
        (lambda raw: raw["tensors"]["y"].update(dtype="float16"), "tensor 'y' has unknown dtype 'float16'"),
        (lambda raw: raw["tensors"]["y"].update(data=b"123"), "tensor 'y': 3 bytes of data for shape"),
        (
            lambda raw: raw["tensors"]["y"].update(scale=[0.1], zero_point=[0]),
            "tensor 'y': a scale is not a float32",
        ),
        (lambda raw: raw["tensors"]["y"].update(scale=[0.5], zero_point=[]), "1 scales and 0 zero points"),
        (lambda raw: raw["nodes"][0].update(inputs=["z"]), r"/test/node \(Sigmoid\) reads 'z' before"),
        (lambda raw: raw.update(outputs=["z"]), "tensor 'z' is used and not declared"),
        (lambda raw: raw["tensors"].pop("y"), "tensor 'y' is used and not declared"),
    ],
)
def test_a_broken_document_is_refused(change, message):
    with pytest.raises(DocumentError, match=message):
        load(broken(change))


@pytest.mark.parametrize("document", [b"", b"\xff", cbor2.dumps([1])])
def test_other_bytes_are_refused(document):
    with pytest.raises(DocumentError, match="not a graph document"):
        load(document)


def test_run_returns_every_tensor():
    table = np.arange(256).astype(np.uint8).view(np.int8)
    x = np.array([3], np.int8)
    values = run(
        load(one_node("Table", [Value(x, 1), Value(table, constant=True)], Out((1,), "int8", 1))), {"i0": x}
    )
    assert sorted(values) == ["i0", "i1", "y"]


def test_inputs_must_be_those_of_the_graph():
    graph = load(one_node("Sigmoid", [Value(X)], Out(X.shape)))
    with pytest.raises(DocumentError, match=r"inputs given: \['x'\]; the graph has \['i0'\]"):
        run(graph, {"x": X})
    with pytest.raises(
        DocumentError, match=r"tensor 'i0' is float64\[1, 6\], the document says float32\[1, 6\]"
    ):
        run(graph, {"i0": X.astype(np.float64)})


def test_a_result_of_another_shape_is_refused():
    with pytest.raises(DocumentError, match=r"/test/node: tensor 'y' is float32\[1, 6\]"):
        evaluate("Sigmoid", [Value(X)], Out((6, 1)))


def test_an_unknown_operator_is_refused():
    with pytest.raises(DocumentError, match="/test/node: operator Frobnicate is not in"):
        evaluate("Frobnicate", [Value(X)], Out(X.shape))


def test_a_missing_attribute_is_named():
    with pytest.raises(DocumentError, match=r"/test/node \(Transpose\) has no attribute 'perm'"):
        evaluate("Transpose", [Value(X)], Out((6, 1)))

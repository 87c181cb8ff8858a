"""Reading documents, and refusing what is not one."""

import cbor2
import numpy as np
import pytest

from tests.oracle import DocumentError, load, next_state, run
from tests.oracle.arithmetic import F32
from tests.oracle.interpreter import OPERATORS
from tests.oracle.legal import ATTRIBUTES
from tests.oracle.signatures import SIGNATURES
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
        (lambda raw: raw["tensors"]["y"].update(dtype="int4"), "tensor 'y' has unknown dtype 'int4'"),
        (lambda raw: raw["tensors"]["y"].update(data=b"123"), "tensor 'y': 3 bytes of data for shape"),
        (lambda raw: raw["tensors"]["y"].update(shape=[-1, 6]), r"tensor 'y' has the shape \[-1, 6\]"),
        (lambda raw: raw["tensors"]["y"].update(dtype="int8"), "/test/node .*: 'y' is int8 and has no scale"),
        (lambda raw: raw["nodes"][0].update(op="Frobnicate"), "/test/node: operator Frobnicate is not in"),
        (
            lambda raw: raw["nodes"][0].update(attrs={"clamp": [0, 1]}),
            "has an attribute 'clamp', which it cannot",
        ),
        (
            lambda raw: raw["nodes"][0].update(op="Transpose"),
            r"/test/node \(Transpose\) has no attribute 'perm'",
        ),
        (lambda raw: raw["nodes"][0].update(inputs=["i0", "i0"]), "has 2 inputs and 1 outputs"),
        (lambda raw: raw["nodes"][0].update(inputs=[]), "has 0 inputs and 1 outputs"),
        (lambda raw: raw["nodes"][0].update(inputs=["z"]), r"/test/node \(Sigmoid\) reads 'z' before"),
        (lambda raw: raw["nodes"][0].update(outputs=["i0"]), "makes 'i0', which is there already"),
        (lambda raw: raw["nodes"].append(raw["nodes"][0]), "two nodes are named '/test/node'"),
        (lambda raw: raw["tensors"]["i0"].update(data=X.tobytes()), "graph input 'i0' is a constant"),
        (lambda raw: raw.update(outputs=["z"]), "tensor 'z' is used and not declared"),
        (lambda raw: raw["tensors"].pop("y"), "tensor 'y' is used and not declared"),
    ],
)
def test_a_broken_document_is_refused(change, message):
    with pytest.raises(DocumentError, match=message):
        load(broken(change))


@pytest.mark.parametrize(
    ("quantization", "message"),
    [
        ({"scale": [0.1], "zero_point": [0]}, "tensor 'y': a scale is not a float32"),
        ({"scale": [0.5], "zero_point": []}, "1 scales and 0 zero points"),
        ({"scale": [0.0], "zero_point": [0]}, "a scale that is not finite and positive"),
        ({"scale": [0.5], "zero_point": [128]}, "a zero point outside int8"),
        ({"scale": [0.5, 0.5], "zero_point": [0, 0]}, "2 scales and no axis"),
        ({"scale": [0.5, 0.5], "zero_point": [0, 0], "axis": 0}, "needs a scale for each index of axis 0"),
        ({"scale": [0.5], "zero_point": [1], "axis": 0}, "and zero points of 0"),
        ({"scale": [0.5], "zero_point": [0], "dtype": "float32"}, "is float32 and has a scale"),
    ],
)
def test_a_broken_quantization_is_refused(quantization, message):
    raw = cbor2.loads(one_node("QuantizeLinear", [Value(X)], Out(X.shape, "int8", 1)))
    raw["tensors"]["y"].update(quantization)
    with pytest.raises(DocumentError, match=message):
        load(cbor2.dumps(raw))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("i1", {"zero_point": [1]}, "'i1' is not an int8 constant with zero points of 0"),
        ("i2", {"scale": [0.125]}, "'i2' is not int32 at the scale of input times weights"),
    ],
)
def test_weights_and_bias_keep_their_rules(name, change, message):
    x, w, bias = np.zeros((1, 2), np.int8), np.ones((2, 1), np.int8), np.zeros(1, np.int32)
    inputs = [Value(x, 0.5), Value(w, 0.5, constant=True), Value(bias, 0.25, constant=True)]
    raw = cbor2.loads(one_node("Gemm", inputs, Out((1, 1), "int8", 1)))
    load(cbor2.dumps(raw))
    raw["tensors"][name].update(change)
    with pytest.raises(DocumentError, match=rf"/test/node \(Gemm\): {message}"):
        load(cbor2.dumps(raw))


def test_every_legal_operator_can_be_run():
    assert set(OPERATORS) == set(ATTRIBUTES) | set(SIGNATURES)


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


def test_state_takes_the_place_of_the_last_run():
    raw = cbor2.loads(one_node("Add", [Value(X), Value(X)], Out(X.shape)))
    raw.update(inputs=["i0"], state={"i1": "y"})
    graph = load(cbor2.dumps(raw))
    first = run(graph, {"i0": X})
    second = run(graph, {"i0": X}, next_state(graph, first))
    assert np.array_equal(first["y"], X)
    assert np.array_equal(second["y"], 2 * X)


def test_a_result_has_the_size_that_its_dims_tell():
    raw = cbor2.loads(one_node("Add", [Value(X), Value(X)], Out(X.shape)))
    raw["tensors"]["size"] = {"dtype": "int32", "shape": [2], "data": np.array([2, 1], np.int32).tobytes()}
    raw["dims"] = {"y": "size"}
    assert run(load(cbor2.dumps(raw)), {"i0": X, "i1": X})["y"].tolist() == [[0], [2]]


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "float64"])
def test_any_type_without_a_scale_is_added(dtype):
    x = np.array([100, 27], dtype)
    with np.errstate(over="ignore"):
        assert np.array_equal(evaluate("Add", [Value(x), Value(x)], Out((2,), dtype)), x + x)


def test_general_operators_have_their_attributes():
    with pytest.raises(DocumentError, match="has no attribute 'fmod'"):
        evaluate("Mod", [Value(X), Value(X)], Out(X.shape))
    with pytest.raises(DocumentError, match="has an attribute 'alpha', which it cannot have"):
        evaluate("Abs", [Value(X)], Out(X.shape), alpha=1.0)
    with pytest.raises(DocumentError, match="has 2 inputs and 1 outputs"):
        evaluate("Abs", [Value(X), Value(X)], Out(X.shape))

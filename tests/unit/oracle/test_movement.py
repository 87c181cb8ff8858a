"""Operators that only copy."""

import cbor2
import numpy as np
import pytest

from tests.oracle import DocumentError, load, run
from tests.unit.oracle.documents import Out, Value, evaluate, one_node

X = np.arange(24, dtype=np.int8).reshape(1, 2, 3, 4)


def int8_out(shape: tuple[int, ...]) -> Out:
    return Out(shape, "int8", 0.5, 3)


def test_reshape_keeps_the_order():
    for op in ("Reshape", "Flatten", "Squeeze"):
        assert np.array_equal(evaluate(op, [Value(X, 0.5, 3)], int8_out((2, 12))), X.reshape(2, 12))


def test_transpose():
    y = evaluate("Transpose", [Value(X, 0.5, 3)], int8_out((1, 3, 4, 2)), perm=[0, 2, 3, 1])
    assert np.array_equal(y, X.transpose(0, 2, 3, 1))


def test_concat():
    y = evaluate("Concat", [Value(X, 0.5, 3), Value(X[:, :1], 0.5, 3)], int8_out((1, 3, 3, 4)), axis=1)
    assert np.array_equal(y, np.concatenate([X, X[:, :1]], 1))


@pytest.mark.parametrize("op", ["Reshape", "Concat"])
def test_a_copy_that_changes_the_scale_is_refused(op):
    with pytest.raises(DocumentError, match="scale or zero point of 'i0' changes"):
        evaluate(op, [Value(X, 0.25, 3)], int8_out(X.shape), axis=1)


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps", "expected"),
    [
        ([1], [3], [3], [1], X[..., 1:3]),
        ([-1, 0], [-100, 2**31], [3, 2], [-1, 2], X[:, :, ::2, ::-1]),
        ([0, 0], [1, 1], [0, 1], [1, 1], X[:1, :1]),
    ],
)
def test_slice_counts_as_onnx_does(starts, ends, axes, steps, expected):
    attrs = {"starts": starts, "ends": ends, "axes": axes, "steps": steps}
    assert np.array_equal(evaluate("Slice", [Value(X, 0.5, 3)], int8_out(expected.shape), **attrs), expected)


def test_gather_counts_negative_indices_from_the_end():
    indices = np.array([[3, -1], [-4, 0]], np.int64)
    y = evaluate("Gather", [Value(X, 0.5, 3), Value(indices)], int8_out((1, 2, 3, 2, 2)), axis=3)
    assert np.array_equal(y, X[..., [[3, 3], [0, 0]]])


@pytest.mark.parametrize("index", [4, -5])
def test_gather_out_of_range_names_the_node(index):
    indices = Value(np.array([index], np.int64))
    with pytest.raises(IndexError, match=r"/test/node: an index lies outside -4\.\.3"):
        evaluate("Gather", [Value(X, 0.5, 3), indices], int8_out((1, 2, 3, 1)), axis=3)


def test_split_gives_each_output_its_part():
    raw = cbor2.loads(one_node("Split", [Value(X, 0.5, 3)], int8_out((1, 2, 3, 1)), axis=3))
    raw["tensors"]["z"] = int8_out((1, 2, 3, 3)).declaration()
    raw["nodes"][0]["outputs"].append("z")
    values = run(load(cbor2.dumps(raw)), {"i0": X})
    assert np.array_equal(values["y"], X[..., :1])
    assert np.array_equal(values["z"], X[..., 1:])


def test_split_must_cover_the_axis():
    with pytest.raises(DocumentError, match="/test/node: the parts cover 1 of 4"):
        evaluate("Split", [Value(X, 0.5, 3)], int8_out((1, 2, 3, 1)), axis=3)

"""Operators that only copy."""

import numpy as np
import pytest

from tests.oracle import DocumentError
from tests.unit.oracle.documents import Out, Value, evaluate

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


@pytest.mark.parametrize(("op", "attrs"), [("Reshape", {}), ("Concat", {"axis": 1})])
def test_a_copy_that_changes_the_scale_is_refused(op, attrs):
    with pytest.raises(DocumentError, match=rf"/test/node \({op}\): scale or zero point of 'i0' changes"):
        evaluate(op, [Value(X, 0.25, 3)], int8_out(X.shape), **attrs)

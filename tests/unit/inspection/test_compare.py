"""How far two arrays are apart."""

import numpy as np
import pytest

from controller.inspection.compare import compare, difference_of, value_of
from controller.inspection.errors import NoReferenceError
from protocol import cbor
from protocol.chunks import sha256
from tests.unit.desk import modules
from tests.unit.inspection import samples


def test_equal_arrays_have_no_difference():
    x = np.array([1.5, -0.0, np.inf, np.nan], np.float32)
    assert difference_of(x, x.copy()) is None
    other_nan = np.array([0x7FC00001], np.uint32).view(np.float32)
    assert difference_of(other_nan, np.array([np.nan], np.float32)) is None


def test_the_largest_difference_and_its_place():
    expected = np.zeros((2, 3), np.int8)
    found = expected.copy()
    found[0, 1], found[1, 2] = 5, -128
    difference = difference_of(found, expected)
    assert (difference.count, difference.elements, difference.largest) == (2, 6, 128.0)
    assert (difference.at, difference.found, difference.expected) == ((1, 2), -128, 0)
    assert difference.places == ((0, 1), (1, 2))


@pytest.mark.parametrize(
    ("found", "expected", "largest"),
    [(-0.0, 0.0, 0.0), (np.nan, 1.0, np.inf), (np.inf, 1.0, np.inf), (np.inf, -np.inf, np.inf)],
)
def test_floats_are_compared_bit_for_bit(found, expected, largest):
    difference = difference_of(np.array(found, np.float32), np.array(expected, np.float32))
    assert (difference.count, difference.largest, difference.at) == (1, largest, ())


def test_outputs_are_read_in_their_memory_order():
    layer = samples.layer("/x", shape=(1, 2, 2, 3), order=(0, 2, 3, 1))
    value = np.arange(12, dtype=np.int8).reshape(1, 2, 2, 3)
    raw = value.transpose(0, 2, 3, 1).tobytes()
    np.testing.assert_array_equal(value_of(layer, raw), value)
    np.testing.assert_array_equal(value_of(layer.model_copy(update={"order": None}), bytes(range(12))), value)


def test_an_operator_that_the_oracle_does_not_know():
    tensor = {"dtype": "int8", "shape": [1, 4], "scale": [0.5], "zero_point": [3]}
    node = {"name": "/add", "op": "Nope", "inputs": ["image"], "outputs": ["class"], "attrs": {}}
    document = cbor.encode(
        {
            "format": 1, "name": "toy", "inputs": ["image"], "outputs": ["class"],
            "tensors": {"image": tensor, "class": tensor}, "nodes": [node],
        }
    )  # fmt: skip
    wasm = modules.wasm(provenance={"graph": sha256(document).hex()})
    with pytest.raises(NoReferenceError, match="Nope"):
        compare(wasm, document, {"image": np.zeros((1, 4), np.int8)})

"""The CDDL, the vectors and the messages say the same."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycddl import ValidationError

from protocol import cbor
from protocol.message import MessageError
from tests.contract.protocol.generate import VECTORS
from tests.contract.protocol.interpret import RULES
from tests.contract.protocol.schema import schema
from tests.support.documents import DOCUMENTS

_GOOD = json.loads((VECTORS / "documents.json").read_text())
_FEW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("vector", _GOOD, ids=lambda vector: vector["name"])
def test_good_vectors_are_valid(vector):
    schema(vector["rule"]).validate_cbor(bytes.fromhex(vector["document"]))


@pytest.mark.parametrize("rule", RULES)
@given(data=st.data())
@_FEW
def test_random_messages_are_valid_and_come_back(rule, data):
    message = data.draw(DOCUMENTS[rule])
    encoded = message.encode()
    schema(rule).validate_cbor(encoded)
    again = RULES[rule].decode(encoded)
    assert again == message
    assert again.encode() == encoded


@pytest.mark.parametrize("rule", RULES)
@given(data=st.data())
@_FEW
def test_what_the_messages_take_is_valid(rule, data):
    """One field replaced by something else: whatever the message still takes, the CDDL takes as well."""
    wire = data.draw(DOCUMENTS[rule]).to_wire()
    key = data.draw(st.sampled_from(sorted(wire)))
    junk = st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text() | st.binary()
    wire[key] = data.draw(junk | st.lists(junk, max_size=3) | st.dictionaries(st.integers(-3, 3), junk))
    encoded = cbor.encode(wire)
    try:
        again = RULES[rule].decode(encoded)
    except MessageError:
        return
    schema(rule).validate_cbor(again.encode())


@pytest.mark.parametrize("rule", RULES)
def test_required_fields_are_the_same(rule):
    vector = next(vector for vector in _GOOD if vector["rule"] == rule)
    wire = cbor.decode(bytes.fromhex(vector["document"]))
    for key in wire:
        encoded = cbor.encode({k: v for k, v in wire.items() if k != key})
        assert _taken(rule, encoded) == _valid(rule, encoded), f"{rule}: key {key}"


def _taken(rule, encoded):
    try:
        RULES[rule].decode(encoded)
    except MessageError:
        return False
    return True


def _valid(rule, encoded):
    try:
        schema(rule).validate_cbor(encoded)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        (
            "infer-request",
            {
                "id": "1",
                "model": "crop-model",
                "inputs": {"image": {"dtype": "float32", "shape": [1], "data": bytes(4)}},
            },
        ),
        (
            "infer-answer",
            {"id": "1", "model": "crop-model", "version": "1.0", "latency_us": 12, "outputs": {}},
        ),
        ("infer-answer", {"id": "1", "error": {"code": "shape", "text": "image has 3 elements", "layer": 2}}),
    ],
)
def test_inference_messages(rule, value):
    schema(rule).validate_cbor(cbor.encode(value))
    with pytest.raises(ValidationError):
        schema(rule).validate_cbor(cbor.encode(value | {"id": 1}))

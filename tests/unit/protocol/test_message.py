import time
from typing import Annotated

import pytest

from protocol import cbor
from protocol.documents import Capabilities, Fault, Role, Usage
from protocol.errors import RefusedError
from protocol.message import Key, Message, MessageError
from protocol.module import ModuleMeta, TensorMeta


class Words(Message):
    name: str
    count: Annotated[int, Key(1)] = 0


def test_wire_keys_are_numbers_or_names():
    document = Role(threshold=1, keys=(bytes(8),))
    assert document.to_wire() == {1: 1, 2: [bytes(8)]}


def test_a_key_may_not_be_used_twice():
    with pytest.raises(TypeError, match="twice"):

        class Twice(Message):
            a: Annotated[int, Key(1)]
            b: Annotated[int, Key(1)]


@pytest.mark.parametrize(
    "wire",
    [
        {"threshold": 1, "keys": [bytes(8)]},
        {1: 1, 2: [bytes(8)], "threshold": 2},
        {True: 1, 2: [bytes(8)]},
        {1: 1.0, 2: [bytes(8)]},
        {1: 1, 2: bytes(8)},
        {1: 1, 2: "12345678"},
        {1: 1, 2: {bytes(8): 0}},
        {1: 1, 2: ["12345678"]},
        {1: 1, 2: None},
        {1: 1, 2: [bytes(8)], -1: 0},
        {1: 1, 2: [bytes(8)], None: 0},
        {1: 1, 2: [bytes(8)], (1,): 0},
        {},
        [],
        None,
        "text",
        5,
        Role(threshold=1, keys=()).to_wire,
    ],
)
def test_what_is_not_the_document(wire):
    with pytest.raises(MessageError, match="not a valid role"):
        Role.from_wire(wire)


def test_unknown_keys_are_ignored_unless_critical():
    assert Role.from_wire({1: 1, 2: [], 23: "later"}) == Role(threshold=1, keys=())
    with pytest.raises(MessageError, match="critical key -2"):
        Role.from_wire({1: 1, 2: [], -2: "later"})


def test_names_and_numbers_stand_side_by_side():
    assert Words.decode(cbor.encode({"name": "a"})) == Words(name="a")
    with pytest.raises(MessageError):
        Words.decode(cbor.encode({"name": "a", "other": 1}))


@pytest.mark.parametrize("rate", [1, float("nan"), float("inf"), -1.0, True, "1"])
def test_a_number_from_the_wire_is_a_finite_float(rate):
    with pytest.raises(MessageError):
        Usage.from_wire({5: rate})


def test_a_program_may_give_an_integer():
    assert Usage.decode(Usage(rate=1).encode()).rate == 1.0


@pytest.mark.parametrize("text", ["\x1b[2J", "\x07", "a\rb", "\x7f", "\x9b31m", "a" * 1025])
def test_texts_have_no_control_characters(text):
    with pytest.raises(MessageError):
        Fault.from_wire({1: "trap", 2: text})


def test_texts_may_have_lines():
    assert Fault.from_wire({1: "trap", 2: "wasm trap\n\tin conv_12"}).text.count("\n") == 1


@pytest.mark.parametrize("name", ["", "a/b", "../a", "A", "a b", "a\n", "-a", "ä", "a" * 64, "+", "#", "a\0"])
def test_names_are_safe_as_topics_and_folders(name):
    with pytest.raises(MessageError):
        Capabilities.from_wire({1: name, 2: [], 3: 0, 4: 0, 5: ""})


def test_json_writes_bytes_as_hex_and_reads_names():
    role = Role(threshold=1, keys=(b"12345678",))
    assert role.model_dump_json() == '{"threshold":1,"keys":["3132333435363738"]}'
    assert Role.model_validate_json(role.model_dump_json()) == role


def test_errors_are_refusals():
    assert issubclass(MessageError, RefusedError)


_META = {1: "a", 2: "1", 3: "simd", 4: 1, 5: [], 6: [], 7: [], 8: {1: 0, 2: 0}, 9: 0, 10: 65536}


@pytest.mark.parametrize(
    "change",
    [
        {7: [{}] * (1 << 17)},
        {5: [{6: ["a", 1] * 60_000}]},
        {12: {f"{n:x}": n for n in range(1 << 16)}},
        {5: [{3: [1 << 62] * 100_000}]},
    ],
)
def test_a_document_full_of_mistakes_is_refused_fast(change):
    before = time.process_time()
    with pytest.raises(MessageError):
        ModuleMeta.from_wire(_META | change)
    assert time.process_time() - before < 0.5


def test_the_product_of_a_shape_is_bounded():
    with pytest.raises(MessageError):
        TensorMeta.from_wire({1: "x", 2: "int8", 3: [2] * 33})

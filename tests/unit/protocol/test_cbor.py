"""The decoder takes what the encoder writes, refuses everything else, and takes its time with nothing."""

import contextlib
import time

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol import cbor
from protocol.cbor import CborError

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=300)
    | st.text(max_size=80)
)
_KEYS = (st.integers(-24, 23), st.text(max_size=30), st.binary(max_size=30))
VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5) | st.one_of(*(st.dictionaries(keys, inner, max_size=5) for keys in _KEYS))
    ),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_is_read(value):
    encoded = cbor.encode(value)
    assert cbor.decode(encoded) == value
    assert cbor.encode(cbor.decode(encoded)) == encoded
    assert cbor2.loads(encoded) == value


@given(st.binary(max_size=200))
@example(b"\xf9\x7e\x00")
def test_random_bytes_are_read_or_refused(data):
    try:
        value = cbor.decode(data)
    except CborError:
        return
    assert cbor.encode(value) == data


@given(VALUES, st.data())
def test_changed_bytes_are_read_or_refused(value, data):
    encoded = bytearray(cbor.encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        again = cbor.decode(bytes(encoded))
    except CborError:
        return
    assert cbor.encode(again) == encoded


@pytest.mark.parametrize("value", [{True: 1}, {1.0: 1}, {(): 1}, {None: 1}])
def test_keys_that_python_takes_for_others(value):
    with pytest.raises(CborError):
        cbor.encode(value)


@pytest.mark.parametrize(
    "value",
    [
        1 << 64,
        -(1 << 64) - 1,
        {24: 0},
        {-25: 0},
        {0: 0, "a": 0},
        {b"": 0, "a": 0},
        {1, 2},
        object(),
        "\ud800",
    ],
)
def test_values_without_a_form(value):
    with pytest.raises(CborError):
        cbor.encode(value)


def test_too_deep_in_both_directions():
    value = []
    for _ in range(11):
        value = [value]
    assert cbor.decode(cbor.encode(value)) == value
    with pytest.raises(CborError, match="deeper"):
        cbor.encode([value])
    with pytest.raises(CborError, match="deeper"):
        cbor.decode(b"\x81" + cbor.encode(value))


def test_size_is_bounded():
    with pytest.raises(CborError, match="larger"):
        cbor.decode(cbor.encode(bytes(100)), max_size=100)


_N = (1 << 18) - 1
_MAP = b"".join(b"\x43" + n.to_bytes(3) + b"\x01" for n in range(_N // 2))
HOSTILE = {
    "integers": b"\x9a" + _N.to_bytes(4) + b"\x01" * _N,
    "empty maps": b"\x9a" + _N.to_bytes(4) + b"\xa0" * _N,
    "a map": b"\xba" + (_N // 2).to_bytes(4) + _MAP,
    "more items than allowed": b"\x9a" + (1 << 20).to_bytes(4) + b"\x01" * ((1 << 20) - 5),
    "nested announcements": (b"\x9a\x00\x03\xff\x00" * 11).ljust(1 << 20, b"\x80"),
    "deep": b"\x81" * (1 << 20),
    "long text": b"\x7a\x00\x0f\xff\xfb" + b"\xc3\xbc" * ((1 << 19) - 3) + b"\xff",
    "a map of 2^32": b"\xbb\x00\x00\x00\x01\x00\x00\x00\x00".ljust(1 << 20, b"\0"),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.usefixtures("undisturbed")
def test_a_hostile_megabyte_takes_less_than_half_a_second(data):
    before = time.process_time()
    with contextlib.suppress(CborError):
        cbor.decode(data)
    assert time.process_time() - before < 0.5

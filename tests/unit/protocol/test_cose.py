import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import cbor, cose
from protocol.cbor import CborError
from protocol.cose import CoseError
from tests.support.simulator import digest, key

_KEYS = {key(name).public.id: key(name).public for name in ("a", "b", "hsm")}
_SECRET = digest("secret")


def test_each_key_counts_once():
    signed = cose.parse(
        cose.sign("root", b"x", [key("a"), key("a"), key("hsm"), key("other")]), max_payload=10
    )
    assert signed.signers("root", _KEYS) == {key("a").public.id, key("hsm").public.id}
    assert signed.signers("manifest", _KEYS) == set()


def test_a_bad_signature_does_not_hide_a_good_one_of_the_same_key():
    body = cbor.decode(cose.sign("root", b"x", [key("a"), key("a")])[2:])
    body[3][0][2] = bytes(64)
    signed = cose.parse(cose.TAG_SIGN + cbor.encode(body), max_payload=10)
    assert signed.signers("root", _KEYS) == {key("a").public.id}


def _parse(data):
    cose.parse(data, max_payload=200)


def _open1(data):
    cose.open1("nonce", data, _KEYS, max_payload=200)


def _open_mac0(data):
    cose.open_mac0("report", data, _SECRET, max_payload=200)


def _peek(data):
    cose.peek_payload(data, max_payload=200)


_GOOD = {
    _parse: cose.sign("root", b"payload", [key("a")]),
    _open1: cose.sign1("nonce", b"payload", key("a")),
    _open_mac0: cose.mac0("report", b"payload", _SECRET, bytes(8)),
    _peek: cose.mac0("report", b"payload", _SECRET, bytes(8)),
}


@pytest.mark.parametrize("read", _GOOD, ids=lambda read: read.__name__)
@given(data=st.data())
def test_mutations_are_refused_with_an_error_of_ours(read, data):
    document = bytearray(_GOOD[read])
    for _ in range(data.draw(st.integers(1, 3))):
        document[data.draw(st.integers(0, len(document) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        read(bytes(document))
    except (CoseError, CborError):
        return
    assert read in (_parse, _peek) or document == _GOOD[read]


_ITEMS = st.recursive(
    st.none() | st.integers(-9, 9) | st.binary(max_size=80) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.integers(-3, 5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("read", _GOOD, ids=lambda read: read.__name__)
@given(item=st.lists(_ITEMS, min_size=3, max_size=5) | _ITEMS)
def test_any_structure_is_refused_with_an_error_of_ours(read, item):
    for tag in (cose.TAG_SIGN, cose.TAG_SIGN1, cose.TAG_MAC0):
        try:
            read(tag + cbor.encode(item))
        except (CoseError, CborError):
            continue
        assert read is _peek


def test_sizes_are_bounded():
    for read, data in (
        (_parse, cose.sign("root", bytes(201), [key("a")])),
        (_open1, cose.sign1("nonce", bytes(201), key("a"))),
        (_open_mac0, cose.mac0("report", bytes(201), _SECRET, bytes(8))),
    ):
        with pytest.raises(CoseError, match="larger"):
            read(data)
        with pytest.raises(CborError, match="larger"):
            read(data[:2] + bytes(4000) if read is _parse else data[:1] + bytes(4000))

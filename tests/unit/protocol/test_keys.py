import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import keys
from protocol.keys import EDDSA, BadKeyError, PublicKey, SoftwareKey
from tests.support.simulator import key

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P


def _add(a, b):
    """Affine addition on the twisted Edwards curve (RFC 8032 section 5.1)."""
    (x1, y1), (x2, y2) = a, b
    product = _D * x1 * x2 * y1 * y2 % _P
    x = (x1 * y2 + y1 * x2) * pow(1 + product, -1, _P) % _P
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, _P) % _P
    return x, y


def _points(y):
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    root = pow(square, (_P + 3) // 8, _P)
    if root * root % _P != square:
        root = root * pow(2, (_P - 1) // 4, _P) % _P
    assert root * root % _P == square
    return {(root, y), (-root % _P, y)}


def test_the_list_of_small_order_is_the_torsion_group():
    points = {point for y in keys._SMALL_ORDER_Y for point in _points(y)}
    assert len(points) == 8
    for point in points:
        doubled = point
        for _ in range(3):
            doubled = _add(doubled, doubled)
        assert doubled == (0, 1)


@given(st.binary(max_size=40), st.binary(max_size=70))
def test_verify_never_raises(message, signature):
    for name in ("release", "hsm"):
        assert not key(name).public.verify(signature, message)
        assert key(name).public.verify(key(name).sign(message), message)


@given(
    st.dictionaries(
        st.integers(-24, 23),
        st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.binary() | st.text(),
    )
    | st.none()
    | st.lists(st.integers())
)
def test_what_is_not_a_key_is_refused(value):
    with pytest.raises(BadKeyError):
        PublicKey.from_cose(value)


@pytest.mark.parametrize("change", [{1: True}, {3: -8.0}, {-1: 6.0}, {2: b"id"}, {-2: "x" * 32}, {-2: [1]}])
def test_a_key_has_one_form(change):
    with pytest.raises(BadKeyError):
        PublicKey.from_cose(key("release").public.to_cose() | change)


def test_kid_is_the_digest_of_the_cose_key():
    assert len({key(name).public.id for name in ("release", "director", "hsm")}) == 3
    assert all(len(key(name).public.id) == 8 for name in ("release", "hsm"))


def test_software_keys():
    made = SoftwareKey.generate()
    again = SoftwareKey.from_seed(made.seed)
    assert again.public == made.public
    assert made.public.algorithm == EDDSA
    assert made.public.verify(again.sign(b"m"), b"m")
    assert PublicKey.from_cose(made.public.to_cose()) == made.public

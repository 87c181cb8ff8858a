"""All Wycheproof cases of Ed25519 and ES256, nobody's here, against `protocol.keys`."""

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from protocol.keys import EDDSA, ES256, PublicKey
from tests.support.wycheproof import cases


def test_ed25519():
    seen = 0
    for case in cases("ed25519_test"):
        key = PublicKey(EDDSA, case.key)
        key.check()
        assert key.verify(case.signature, case.message) is case.valid, case
        seen += 1
    assert seen == 151


def test_es256_with_r_and_s_of_32_bytes():
    """COSE's form: r || s (RFC 9053 section 2.1)."""
    seen = 0
    for case in cases("ecdsa_secp256r1_sha256_p1363_test"):
        key = PublicKey(ES256, case.key[1:])
        key.check()
        assert key.verify(case.signature, case.message) is case.valid, case
        seen += 1
    assert seen == 262


def test_es256_with_r_and_s_in_der():
    """The same numbers in DER, which no document of ours carries: never taken as they are.

    What is DER is then compared in COSE's form; other forms of an encoding cannot come through it, so of
    those only the refusal is tested.
    """
    seen = 0
    for case in cases("ecdsa_secp256r1_sha256_test"):
        seen += 1
        key = PublicKey(ES256, case.key[1:])
        key.check()
        assert not key.verify(case.signature, case.message), case
        plain = _plain(case.signature)
        if plain is None:
            assert not case.valid, case
        else:
            assert key.verify(plain, case.message) is case.valid, case
    assert seen == 484


def _plain(signature: bytes) -> bytes | None:
    """R || s of 32 bytes each, if the signature is exactly the DER of two such numbers."""
    try:
        r, s = decode_dss_signature(signature)
        if encode_dss_signature(r, s) != signature:
            return None
        return r.to_bytes(32) + s.to_bytes(32)
    except (ValueError, OverflowError):
        return None


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("ed25519_test", {"SignatureMalleability", "InvalidSignature", "TruncatedSignature"}),
        ("ecdsa_secp256r1_sha256_p1363_test", {"ArithmeticError", "SignatureSize", "PointDuplication"}),
    ],
)
def test_the_cases_are_the_nasty_ones(name, flags):
    assert flags <= {flag for case in cases(name) for flag in case.flags}

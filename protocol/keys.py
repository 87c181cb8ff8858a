"""Public keys that verify, and what can sign.

Ed25519 (RFC 8032) everywhere; ES256 for keys in HSMs, where a device says it takes them. Libraries
disagree on encodings that are not canonical and on points of small order, so both are refused here
before any library sees them: a signature is good on all devices or on none.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from protocol import cbor
from protocol.errors import RefusedError

EDDSA, ES256 = -8, -7
"""COSE algorithm numbers (RFC 9053)."""

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

# y-coordinates of the eight points of small order (the sign bit does not matter).
_Y8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1, _Y8, _P - _Y8})


class BadKeyError(RefusedError):
    """A public key that is malformed, of small order, or of an algorithm not accepted here."""


class Signer(Protocol):
    """Something that holds a private key: a file, an HSM, a test."""

    @property
    def public(self) -> "PublicKey":
        """The key that verifies what this signs."""
        ...

    def sign(self, message: bytes) -> bytes:
        """A signature of 64 bytes over `message`."""
        ...


@dataclass(frozen=True)
class PublicKey:
    """A verification key.

    Attributes:
        algorithm: `EDDSA` or `ES256`.
        data: 32 bytes (Ed25519), or the 64 bytes x || y (P-256).
    """

    algorithm: int
    data: bytes

    @property
    def id(self) -> bytes:
        """Key id: the first 8 bytes of the SHA-256 of the encoded COSE_Key."""
        return hashlib.sha256(cbor.encode(self.to_cose())).digest()[:8]

    def to_cose(self) -> dict[int, Any]:
        """The key as a COSE_Key map (RFC 9052 section 7)."""
        if self.algorithm == EDDSA:
            return {1: 1, 3: EDDSA, -1: 6, -2: self.data}
        return {1: 2, 3: ES256, -1: 1, -2: self.data[:32], -3: self.data[32:]}

    @classmethod
    def from_cose(cls, value: object) -> "PublicKey":
        """Read a COSE_Key map.

        Raises:
            BadKeyError: not exactly the map `to_cose` would write, or not a sound point.
        """
        if isinstance(value, dict):
            x, y = value.get(-2), value.get(-3, b"")
            if isinstance(x, bytes) and isinstance(y, bytes) and value.get(3) in (EDDSA, ES256):
                key = cls(int(value[3]), x + y)
                # As bytes, because Python finds 1 and true equal.
                if cbor.encode(key.to_cose()) == cbor.encode(value):
                    key.check()
                    return key
        raise BadKeyError("public key is not a COSE_Key of Ed25519 or P-256")

    def check(self) -> None:
        """Refuse a key whose point is malformed or of small order.

        Raises:
            BadKeyError: it is.
        """
        if self.algorithm == EDDSA:
            if len(self.data) != 32 or not _sound_point(self.data):
                raise BadKeyError("Ed25519 public key is not canonical or is of small order")
            return
        try:
            self._p256()
        except ValueError as error:
            raise BadKeyError("P-256 public key is not a point of the curve") from error

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` (64 bytes) is this key's over `message`."""
        if len(signature) != 64:
            return False
        try:
            if self.algorithm == EDDSA:
                scalar = int.from_bytes(signature[32:], "little")
                if scalar >= _L or not _sound_point(signature[:32]) or not _sound_point(self.data):
                    return False
                ed25519.Ed25519PublicKey.from_public_bytes(self.data).verify(signature, message)
            else:
                r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
                if not (0 < r < _P256_ORDER and 0 < s < _P256_ORDER):
                    return False
                self._p256().verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True

    def _p256(self) -> ec.EllipticCurvePublicKey:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\4" + self.data)


def _sound_point(encoded: bytes) -> bool:
    """Whether an encoded Edwards point is canonical (RFC 8032 section 5.1.3) and not of small order."""
    y = int.from_bytes(encoded, "little") & (1 << 255) - 1
    return y < _P and y not in _SMALL_ORDER_Y


class SoftwareKey:
    """An Ed25519 private key in memory."""

    def __init__(self, private: ed25519.Ed25519PrivateKey) -> None:
        self._private = private
        self._public = PublicKey(EDDSA, private.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> "SoftwareKey":
        """A new random key."""
        return cls(ed25519.Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> "SoftwareKey":
        """The key of a 32-byte seed (RFC 8032 private key)."""
        return cls(ed25519.Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def seed(self) -> bytes:
        """The 32 secret bytes."""
        return self._private.private_bytes_raw()

    @property
    def public(self) -> PublicKey:
        """The key that verifies what this signs."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes."""
        return self._private.sign(message)

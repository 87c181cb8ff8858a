"""What a device and its controller agree on when they first meet.

Both hold an X25519 key (RFC 7748). The key that authenticates reports is derived from the shared
secret by HKDF-SHA256 (RFC 5869), so it never travels and a broker cannot forge health. So are the keys
that wrap content keys (`protocol.confidential`).
"""

import hashlib
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from protocol.message import Key, Message, Name, Text


class Invitation(Message):
    """What an operator carries to a device: where to go, whom to trust, and a one-time token."""

    device: Annotated[Name, Key(1)]
    device_class: Annotated[Name, Key(2)]
    controller: Annotated[Text, Key(3)]
    """URL of the controller's API, where the token is claimed."""
    broker: Annotated[Text, Key(4)]
    """`mqtt://host:port`."""
    token: Annotated[Text, Key(5)]
    root: Annotated[bytes, Key(6)]
    """The root the device starts from, signed."""
    certificate: Annotated[bytes | None, Key(7)] = None
    """Of the controller's API, X.509 in DER, which the claim trusts and no other; None: without TLS."""


RENEWAL = "renewal"
"""Kind of document, as `external_aad` names it."""
MAX_RENEWAL = 4096


class Renewal(Message):
    """A device asks for a new certificate. COSE_Mac0 under its report key.

    Replaying it gives a certificate for a key that only the device has, so it carries no number.
    """

    device: Annotated[Name, Key(1)]
    request: Annotated[bytes, Key(2)]
    """PKCS #10 in DER, for a P-256 key."""


def report_key(private: bytes, peer: bytes, device: str) -> bytes:
    """The 32-byte key of a device's reports and telemetry; both ends compute the same.

    Args:
        private: Own X25519 private key, 32 bytes.
        peer: The other side's X25519 public key, 32 bytes.
        device: The device's name, bound into the key.

    Raises:
        ValueError: the peer's key is a point of small order.
    """
    shared = shared_secret(private, peer)
    return HKDF(SHA256(), 32, salt=None, info=b"fleet/v1/report/" + device.encode()).derive(shared)


def shared_secret(private: bytes, peer: bytes) -> bytes:
    """X25519 (RFC 7748) of a device and its controller, 32 bytes; keys are derived from it, it is none.

    Raises:
        ValueError: the peer's key is a point of small order.
    """
    return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(peer))


def report_key_id(key: bytes) -> bytes:
    """The `kid` of a report key: a digest that gives nothing away."""
    return hashlib.sha256(b"fleet/v1/report-key-id" + key).digest()[:8]

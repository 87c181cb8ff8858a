"""Modules that only their devices can read: the content key, and the chunks under it.

A release may have a content key of its own. Each of its chunks is then encrypted by itself with
ChaCha20-Poly1305 (RFC 8439) under a key derived for its target, with its place in the index for a nonce;
the index names and measures the ciphertext, the manifest the plaintext. The content key reaches a device
in its assignment, as a COSE_Encrypt0 (RFC 9052 section 5.2) under a key of X25519 and HKDF-SHA256 that is
for this device and this release alone. So no key ever meets a nonce twice with different text: a content
key belongs to one release, and a wrapping key to one content key.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from protocol import cose
from protocol.chunks import BadIndexError, File, Index
from protocol.documents import MAX_WRAPPED, Manifest
from protocol.enrolment import shared_secret
from protocol.errors import RefusedError
from protocol.trust import TrustError, Verifier

CONTENT_KEY = "content-key"
"""Kind of document, as `external_aad` names it."""
KEY_BYTES = 32

_NONCE = {"module": 0, "golden": 1}


class ConfidentialError(RefusedError):
    """A chunk or a content key that does not open."""


def key_id(content_key: bytes) -> bytes:
    """The name of a content key in a manifest, 8 bytes; gives nothing of it away."""
    return hashlib.sha256(b"fleet/v1/content-key-id" + content_key).digest()[:8]


def wrapping_key(private: bytes, peer: bytes, device: str, manifest: bytes) -> bytes:
    """The 32-byte key that wraps the content key of one release for one device; both ends compute the same.

    Args:
        private: Own X25519 private key, 32 bytes.
        peer: The other side's X25519 public key, 32 bytes.
        device: The device's name.
        manifest: Digest of the release's manifest.

    Raises:
        ValueError: the peer's key is a point of small order.
    """
    info = b"fleet/v1/content-key/" + device.encode() + b"/" + manifest
    return _derive(shared_secret(private, peer), info)


def wrap(content_key: bytes, key: bytes) -> bytes:
    """A content key as a COSE_Encrypt0 under `key`, which must wrap nothing else ever."""
    return cose.encrypt0(CONTENT_KEY, content_key, key)


def unwrap(data: bytes, key: bytes) -> bytes:
    """The content key that `wrap` wrapped.

    Raises:
        CborError: not deterministic CBOR, or too large.
        CoseError: malformed, of another algorithm, or under another key.
        ConfidentialError: something else than a content key.
    """
    content_key = cose.open_encrypt0(CONTENT_KEY, data, key, max_size=MAX_WRAPPED)
    if len(content_key) != KEY_BYTES:
        raise ConfidentialError(f"content key of {len(content_key)} bytes; {KEY_BYTES} are expected")
    return content_key


def content_key_of(verifier: Verifier, manifest: Manifest, digest: bytes, key: bytes) -> bytes | None:
    """R14: the key to a release's chunks, from the accepted assignment.

    Args:
        verifier: The device's rules.
        manifest: Of a release that passed `Verifier.check_manifest`.
        digest: Its digest.
        key: The device's `wrapping_key` for it.

    Returns:
        32 bytes, or None if the release is not encrypted.

    Raises:
        TrustError: the assignment carries no key for it, or another.
    """
    if manifest.content_key is None:
        return None
    desired = verifier.assignment().models.get(manifest.model)
    if desired is None or desired.manifest != digest or desired.content_key is None:
        what = "the assignment carries none"
    else:
        try:
            content_key = unwrap(desired.content_key, key)
        except RefusedError as error:
            what = f"what the assignment carries does not open: {error.what}"
        else:
            if key_id(content_key) == manifest.content_key:
                return content_key
            what = f"the assignment carries {key_id(content_key).hex()}"
    named = f"{manifest.model} {manifest.version} needs content key {manifest.content_key.hex()}"
    raise TrustError(14, "content-key", f"{named}; {what}")


@dataclass(frozen=True)
class Cipher:
    """Encrypts and decrypts the chunks of one target of a release.

    Attributes:
        content_key: The release's, 32 bytes.
        target: The module's target; each has its own key.
    """

    content_key: bytes = field(repr=False)
    target: str

    @cached_property
    def _aead(self) -> ChaCha20Poly1305:
        return ChaCha20Poly1305(_derive(self.content_key, b"fleet/v1/content/" + self.target.encode()))

    def encrypt(self, file: File, number: int, data: bytes | memoryview) -> bytes:
        """A chunk as it goes over the wire.

        Args:
            file: Whether it is of the module or of the golden inputs.
            number: Which chunk of these it is, in the order of the index, from 0.
            data: Its bytes.
        """
        return self._aead.encrypt(_nonce(file, number), data, None)

    def decrypt(self, file: File, number: int, data: bytes) -> bytes:
        """What `encrypt` encrypted for the same place.

        Raises:
            ConfidentialError: it is of another place, target or release, or was altered.
        """
        try:
            return self._aead.decrypt(_nonce(file, number), data, None)
        except InvalidTag:
            text = f"chunk {number} of the {file} does not open under the release's content key"
            raise ConfidentialError(text) from None


def read_chunks(
    index: Index, file: File, fetch: Callable[[bytes], bytes], cipher: Cipher | None
) -> list[bytes]:
    """All chunks of a file, in the clear.

    Args:
        index: Of the target.
        file: Which of its files.
        fetch: Gives the bytes for a digest, verified.
        cipher: Of the target, if the release is encrypted.

    Raises:
        BadIndexError: a chunk is not as long as the index says.
        ConfidentialError: one does not open.
    """
    pieces = []
    for number, chunk in enumerate(index.of(file)):
        data = fetch(chunk.digest)
        if len(data) != chunk.length:
            raise BadIndexError(f"chunk sha256:{chunk.digest.hex()[:8]}… is not as long as the index says")
        pieces.append(cipher.decrypt(file, number, data) if cipher else data)
    return pieces


def _nonce(file: File, number: int) -> bytes:
    return _NONCE[file].to_bytes(4, "big") + number.to_bytes(8, "big")


def _derive(secret: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=info).derive(secret)

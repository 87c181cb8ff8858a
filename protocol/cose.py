"""COSE_Sign, COSE_Sign1, COSE_Mac0 and COSE_Encrypt0 (RFC 9052), the few forms used here.

`external_aad` names the kind of document, so that a signature over one kind is void for another.
`alg` and `kid` stand in the protected header of each signature, unprotected headers are empty, and
the payload is attached. Anything else is refused. A COSE_Encrypt0 has `alg` and `IV` there instead.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from protocol import cbor
from protocol.errors import RefusedError
from protocol.keys import PublicKey, Signer

# Tags 98, 18, 17 and 16 in the only encoding they have.
TAG_SIGN, TAG_SIGN1, TAG_MAC0, TAG_ENCRYPT0 = b"\xd8\x62", b"\xd2", b"\xd1", b"\xd0"
ALG, KID, IV = 1, 4, 5
HMAC_256 = 5
CHACHA20_POLY1305 = 24
MAX_SIGNATURES = 16
OVERHEAD = 32 + MAX_SIGNATURES * 96
"""Most bytes that signatures add to a payload."""


class CoseError(RefusedError):
    """A signed document that is malformed, or not signed by who must sign it."""


@dataclass(frozen=True)
class Signature:
    """One signature of a COSE_Sign: who claims to have made it, and its bytes."""

    protected: bytes
    algorithm: int
    kid: bytes
    value: bytes


@dataclass(frozen=True)
class Signed:
    """A parsed COSE_Sign whose signatures have not been verified."""

    payload: bytes
    signatures: tuple[Signature, ...]

    def signers(self, kind: str, keys: Mapping[bytes, PublicKey]) -> set[bytes]:
        """Ids of those of `keys` that have validly signed this as a document of `kind`.

        A key counts once, however often it signed.
        """
        good = set()
        for signature in self.signatures:
            key = keys.get(signature.kid)
            if key is None or key.algorithm != signature.algorithm or signature.kid in good:
                continue
            if key.verify(signature.value, _sign_input(kind, signature.protected, self.payload)):
                good.add(signature.kid)
        return good


def _aad(kind: str) -> bytes:
    return f"fleet/v1/{kind}".encode()


def structure(context: str, *protected: bytes, aad: bytes, payload: bytes) -> bytes:
    """What is signed or authenticated: Sig_structure or MAC_structure (RFC 9052 sections 4.4, 6.3).

    Args:
        context: `Signature`, `Signature1` or `MAC0`.
        protected: Encoded protected headers: the body's and, for `Signature`, the signer's. An empty
            one is b"", never the encoding of an empty map.
        aad: The external additional authenticated data.
        payload: The payload.
    """
    return cbor.encode([context, *protected, aad, payload])


def _sign_input(kind: str, protected: bytes, payload: bytes) -> bytes:
    return structure("Signature", b"", protected, aad=_aad(kind), payload=payload)


def _sign1_input(kind: str, protected: bytes, payload: bytes) -> bytes:
    return structure("Signature1", protected, aad=_aad(kind), payload=payload)


def header_of(key: PublicKey) -> bytes:
    """The protected header of signatures by `key`."""
    return cbor.encode({ALG: key.algorithm, KID: key.id})


def sign(kind: str, payload: bytes, signers: Sequence[Signer]) -> bytes:
    """COSE_Sign over `payload`, one signature for each signer.

    Args:
        kind: `root`, `manifest` or `assignment`.
        payload: The encoded document.
        signers: At least one.
    """
    return assemble(payload, [make_signature(kind, payload, signer) for signer in signers])


def make_signature(kind: str, payload: bytes, signer: Signer) -> tuple[bytes, bytes]:
    """One signature of a COSE_Sign: its protected header and its bytes."""
    header = header_of(signer.public)
    return header, signer.sign(_sign_input(kind, header, payload))


def assemble(payload: bytes, signatures: Sequence[tuple[bytes, bytes]]) -> bytes:
    """COSE_Sign of a payload and signatures that were made one by one, each as `make_signature` gives it."""
    return TAG_SIGN + cbor.encode([b"", {}, payload, [[header, {}, value] for header, value in signatures]])


def parse(data: bytes, *, max_payload: int) -> Signed:
    """Read a COSE_Sign without verifying it.

    Raises:
        CborError: not deterministic CBOR, or too large.
        CoseError: not a COSE_Sign of the form `sign` writes.
    """
    body = _untag(data, TAG_SIGN, max_payload + OVERHEAD)
    if len(body) != 4 or body[0] != b"" or body[1] != {} or not isinstance(body[2], bytes):
        raise CoseError("not a COSE_Sign with empty headers and an attached payload")
    payload, entries = body[2:]
    if len(payload) > max_payload:
        raise CoseError(f"payload of {len(payload)} bytes is larger than the {max_payload} allowed")
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_SIGNATURES:
        raise CoseError(f"a COSE_Sign carries 1 to {MAX_SIGNATURES} signatures")
    return Signed(payload, tuple(_signature(entry) for entry in entries))


def _signature(entry: object) -> Signature:
    if not (isinstance(entry, list) and len(entry) == 3 and entry[1] == {}):
        raise CoseError("malformed COSE_Signature")
    protected, _, value = entry
    if not isinstance(protected, bytes) or not isinstance(value, bytes):
        raise CoseError("malformed COSE_Signature")
    algorithm, kid = read_header(protected)
    return Signature(protected, algorithm, kid, value)


def read_header(protected: bytes) -> tuple[int, bytes]:
    """`alg` and `kid` of a protected header that holds these two and nothing else."""
    if not protected:
        raise CoseError("protected header is empty; it must hold alg and kid")
    header = cbor.decode(protected, max_size=64)
    if not isinstance(header, dict) or set(header) != {ALG, KID}:
        raise CoseError("protected header must hold alg and kid, and nothing else")
    algorithm, kid = header[ALG], header[KID]
    if type(algorithm) is not int or not isinstance(kid, bytes) or len(kid) != 8:
        raise CoseError("protected header has an alg or kid of the wrong form")
    return algorithm, kid


def sign1(kind: str, payload: bytes, signer: Signer) -> bytes:
    """COSE_Sign1 over `payload`."""
    header = header_of(signer.public)
    return TAG_SIGN1 + cbor.encode([header, {}, payload, signer.sign(_sign1_input(kind, header, payload))])


def open1(kind: str, data: bytes, keys: Mapping[bytes, PublicKey], *, max_payload: int) -> bytes:
    """Verify a COSE_Sign1 by one of `keys` and give its payload.

    Raises:
        CborError: not deterministic CBOR, or too large.
        CoseError: malformed, by an unknown key, or with a bad signature.
    """
    header, payload, value = _open_single(data, TAG_SIGN1, max_payload)
    algorithm, kid = read_header(header)
    key = keys.get(kid)
    if key is None or key.algorithm != algorithm:
        raise CoseError(f"{kind} is signed by key {kid.hex()}, which may not sign it")
    if not key.verify(value, _sign1_input(kind, header, payload)):
        raise CoseError(f"{kind} has a signature that does not verify")
    return payload


def mac0(kind: str, payload: bytes, key: bytes, kid: bytes) -> bytes:
    """COSE_Mac0 with HMAC 256/256 over `payload`; `kid` names the key (8 bytes)."""
    header = cbor.encode({ALG: HMAC_256, KID: kid})
    return TAG_MAC0 + cbor.encode([header, {}, payload, _mac(kind, header, payload, key)])


def open_mac0(kind: str, data: bytes, key: bytes, *, max_payload: int) -> bytes:
    """Verify a COSE_Mac0 under `key` and give its payload.

    Raises:
        CborError: not deterministic CBOR, or too large.
        CoseError: malformed, of another algorithm, or with a bad tag.
    """
    header, payload, tag = _open_single(data, TAG_MAC0, max_payload)
    algorithm, _ = read_header(header)
    if algorithm != HMAC_256:
        raise CoseError(f"{kind} uses algorithm {algorithm}, not HMAC 256/256")
    if not hmac.compare_digest(tag, _mac(kind, header, payload, key)):
        raise CoseError(f"{kind} has an authentication tag that does not verify")
    return payload


# A key encrypts one text, so that any one nonce will do.
_ENCRYPT0_HEADER = cbor.encode({ALG: CHACHA20_POLY1305, IV: bytes(12)})


def encrypt0(kind: str, plaintext: bytes, key: bytes) -> bytes:
    """COSE_Encrypt0 with ChaCha20/Poly1305 (RFC 9053 section 4.3).

    The nonce is zero: a key that this was called with must not be used for another text.

    Args:
        kind: What the text is.
        plaintext: The text.
        key: 32 bytes.
    """
    aad = encrypt_structure(_ENCRYPT0_HEADER, _aad(kind))
    sealed = ChaCha20Poly1305(key).encrypt(bytes(12), plaintext, aad)
    return TAG_ENCRYPT0 + cbor.encode([_ENCRYPT0_HEADER, {}, sealed])


def open_encrypt0(kind: str, data: bytes, key: bytes, *, max_size: int) -> bytes:
    """Decrypt a COSE_Encrypt0 under `key`.

    Raises:
        CborError: not deterministic CBOR, or too large.
        CoseError: malformed, of another algorithm, or under another key.
    """
    body = _untag(data, TAG_ENCRYPT0, max_size)
    if len(body) != 3 or body[1] != {} or not isinstance(body[2], bytes):
        raise CoseError("malformed COSE_Encrypt0: headers and ciphertext are expected")
    if body[0] != _ENCRYPT0_HEADER:
        raise CoseError(f"{kind} has another header than ChaCha20/Poly1305 with a nonce of zero")
    try:
        aad = encrypt_structure(_ENCRYPT0_HEADER, _aad(kind))
        return ChaCha20Poly1305(key).decrypt(bytes(12), body[2], aad)
    except InvalidTag:
        raise CoseError(f"{kind} does not decrypt: it is for another device or release, or altered") from None


def encrypt_structure(protected: bytes, aad: bytes) -> bytes:
    """What is authenticated beside a ciphertext: Enc_structure (RFC 9052 section 5.3)."""
    return cbor.encode(["Encrypt0", protected, aad])


def peek_payload(data: bytes, *, max_payload: int) -> bytes:
    """The payload of a COSE_Mac0 or COSE_Sign1, unverified: only to find out which key to ask for."""
    tag = TAG_MAC0 if data.startswith(TAG_MAC0) else TAG_SIGN1
    return _open_single(data, tag, max_payload)[1]


def _mac(kind: str, header: bytes, payload: bytes, key: bytes) -> bytes:
    return hmac.digest(key, structure("MAC0", header, aad=_aad(kind), payload=payload), hashlib.sha256)


def _open_single(data: bytes, tag: bytes, max_payload: int) -> tuple[bytes, bytes, bytes]:
    body = _untag(data, tag, max_payload + OVERHEAD)
    if len(body) != 4 or body[1] != {} or not all(isinstance(body[i], bytes) for i in (0, 2, 3)):
        raise CoseError("malformed COSE document: headers, payload and tag are expected")
    header, _, payload, value = body
    if len(payload) > max_payload:
        raise CoseError(f"payload of {len(payload)} bytes is larger than the {max_payload} allowed")
    return header, payload, value


def _untag(data: bytes, tag: bytes, max_size: int) -> list[Any]:
    if not data.startswith(tag):
        raise CoseError("not a COSE document of the expected kind")
    value = cbor.decode(data[len(tag) :], max_size=max_size)
    if not isinstance(value, list):
        raise CoseError("not a COSE document: an array is expected")
    return value

"""The forms of a key file: a plain seed, a seed under a passphrase, a place in a PKCS#11 token.

A plain file holds the 32-byte seed as 64 hexadecimal digits. The others are JSON objects that begin with
`"fleet-key": 1` and hold the public key (an encoded COSE_Key) in the clear, so that it can be shown
without a passphrase:

    {"fleet-key": 1, "public": …, "scrypt": {"log2n": 17, "r": 8, "p": 1, "salt": …},
     "nonce": …, "sealed": …}
    {"fleet-key": 1, "public": …, "pkcs11": {"library": …, "token": …, "label": …}}

`sealed` is the seed under AES-256-GCM with a key by scrypt (RFC 7914); the public key is its additional
data, so that no seed can be passed off under another one's name.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from controller.keys.errors import KeyStoreError, PassphraseError
from controller.keys.files import read_private
from controller.keys.token import TokenKey, TokenPlace
from protocol import cbor
from protocol.errors import RefusedError
from protocol.keys import PublicKey, Signer, SoftwareKey

SEED_BYTES = 32
SHORTEST = 12
"""Least characters of a passphrase."""
COST = 17
"""log2 of scrypt's N: 128 MiB and about 0.4 s a try (RFC 7914 section 2)."""

Form = Literal["plain", "encrypted", "token"]
Hex = Annotated[str, Field(pattern=r"^([0-9a-f]{2})*$")]


class Secrets(Protocol):
    """Where passphrases and PINs come from: a prompt, a file, a test."""

    def passphrase(self, name: str) -> str:
        """The passphrase of a key.

        Raises:
            PassphraseError: there is nobody to ask.
        """
        ...

    def pin(self, token: str) -> str:
        """The user PIN of a token.

        Raises:
            PassphraseError: there is nobody to ask.
        """
        ...


class _NoSecrets:
    """For whoever can neither ask nor read one."""

    def passphrase(self, name: str) -> str:
        raise PassphraseError(f"key {name} is encrypted, and there is no passphrase")

    def pin(self, token: str) -> str:
        raise PassphraseError(f"token {token} wants a PIN, and there is none")


NO_SECRETS: Secrets = _NoSecrets()


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Scrypt(_Strict):
    # Bounded, because whoever alters the file would otherwise choose how much memory it takes.
    log2n: Annotated[int, Field(ge=10, le=20)]
    r: Literal[8]
    p: Literal[1]
    salt: Annotated[Hex, Field(min_length=32, max_length=64)]


class _Document(_Strict):
    version: Annotated[Literal[1], Field(alias="fleet-key")]
    public: Hex
    scrypt: _Scrypt | None = None
    nonce: Annotated[Hex, Field(min_length=24, max_length=24)] | None = None
    sealed: Hex | None = None
    pkcs11: TokenPlace | None = None


@dataclass(frozen=True)
class KeyFile:
    """A key file that was read; its secret may still be locked.

    Attributes:
        name: The file's name without `.key`.
        public: The key that verifies.
        form: How the secret is kept.
    """

    name: str
    path: Path
    public: PublicKey
    form: Form
    _seed: bytes | None = None
    _document: _Document | None = None

    def unlock(self, secrets: Secrets) -> Signer:
        """The key, ready to sign.

        Raises:
            PassphraseError: no passphrase, or a wrong one.
            KeyStoreError: what was sealed is not the secret of the public key.
        """
        if self._seed is not None:
            return SoftwareKey.from_seed(self._seed)
        document = self._document
        if document is not None and document.pkcs11 is not None:
            return TokenKey(document.pkcs11, self.public, secrets.pin)
        if document is None or document.scrypt is None or document.nonce is None or document.sealed is None:
            raise _damaged(self.path)
        key = _derive(secrets.passphrase(self.name), document.scrypt)
        try:
            seed = AESGCM(key).decrypt(
                bytes.fromhex(document.nonce), bytes.fromhex(document.sealed), _aad(self.public)
            )
        except InvalidTag:
            raise PassphraseError(
                f"wrong passphrase for {self.path.name}, or the file was altered", where=str(self.path)
            ) from None
        return _checked(seed, self.public, self.path)


def read_key(path: Path) -> KeyFile:
    """Read a key file, without asking for any secret.

    Raises:
        KeyStoreError: unreadable, readable by others, or of no known form.
    """
    data = read_private(path)
    if not data.lstrip().startswith(b"{"):
        return _plain(path, data)
    try:
        document = _Document.model_validate(json.loads(data))
        public = PublicKey.from_cose(cbor.decode(bytes.fromhex(document.public)))
    except (ValueError, RecursionError, ValidationError, RefusedError):
        # The cause is left out of the chain: its text could quote the file.
        raise _damaged(path) from None
    sealed = (document.scrypt, document.nonce, document.sealed)
    if (document.pkcs11 is None) != all(part is not None for part in sealed):
        raise _damaged(path) from None
    form: Form = "token" if document.pkcs11 else "encrypted"
    return KeyFile(path.stem, path, public, form, _document=document)


def _plain(path: Path, data: bytes) -> KeyFile:
    try:
        seed = bytes.fromhex(data.decode("ascii").strip())
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise _damaged(path) from None
    return KeyFile(path.stem, path, SoftwareKey.from_seed(seed).public, "plain", _seed=seed)


def _damaged(path: Path) -> KeyStoreError:
    return KeyStoreError(
        f"{path.name} is no key file: neither 64 hexadecimal digits nor what fleet keys writes",
        where=str(path),
        remedy="take it from its backup",
    )


def _checked(seed: bytes, public: PublicKey, path: Path) -> Signer:
    if len(seed) == SEED_BYTES:
        key = SoftwareKey.from_seed(seed)
        if key.public == public:
            return key
    raise _damaged(path)


def plain_text(key: SoftwareKey) -> bytes:
    """The contents of a plain key file."""
    return key.seed.hex().encode() + b"\n"


def sealed_text(key: SoftwareKey, passphrase: str) -> bytes:
    """The contents of a key file under a passphrase.

    Raises:
        PassphraseError: it is shorter than `SHORTEST`.
    """
    check_passphrase(passphrase)
    how = _Scrypt(log2n=COST, r=8, p=1, salt=os.urandom(16).hex())
    nonce = os.urandom(12)
    sealed = AESGCM(_derive(passphrase, how)).encrypt(nonce, key.seed, _aad(key.public))
    return _write(
        {
            "fleet-key": 1,
            "public": public_hex(key.public),
            "scrypt": how.model_dump(),
            "nonce": nonce.hex(),
            "sealed": sealed.hex(),
        }
    )


def token_text(public: PublicKey, place: TokenPlace) -> bytes:
    """The contents of a key file that says in which token the key is."""
    return _write({"fleet-key": 1, "public": public_hex(public), "pkcs11": place.model_dump()})


def check_passphrase(passphrase: str) -> None:
    """Refuse what guessing would find.

    Raises:
        PassphraseError: it is shorter than `SHORTEST`.
    """
    if len(passphrase) < SHORTEST:
        raise PassphraseError(
            f"the passphrase is too short: {SHORTEST} characters are the least",
            remedy="four random words make a good one",
        )


def public_hex(public: PublicKey) -> str:
    """A public key as its encoded COSE_Key, hexadecimal."""
    return cbor.encode(public.to_cose()).hex()


def _write(document: dict[str, object]) -> bytes:
    return json.dumps(document, indent=1).encode() + b"\n"


def _derive(passphrase: str, how: _Scrypt) -> bytes:
    kdf = Scrypt(salt=bytes.fromhex(how.salt), length=32, n=1 << how.log2n, r=how.r, p=how.p)
    return kdf.derive(passphrase.encode())


def _aad(public: PublicKey) -> bytes:
    return b"fleet/v1/key/" + cbor.encode(public.to_cose())

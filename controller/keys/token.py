"""Keys in PKCS#11 tokens: smart cards, HSMs, SoftHSM. The private half never leaves the token.

Needs the extra `[pkcs11]` and the token's own library. Ed25519 (CKM_EDDSA, PKCS#11 3.0) where the token
has it; else ES256 (CKM_ECDSA over a SHA-256 made here), which Linux agents accept and boards do not.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel, ConfigDict

from controller.keys.errors import KeysExistError, PassphraseError, TokenError
from protocol.errors import RefusedError
from protocol.keys import EDDSA, ES256, PublicKey

_CURVES = {EDDSA: "1.3.101.112", ES256: "secp256r1"}
# DER OCTET STRING around a raw Ed25519 point, or around an uncompressed P-256 point.
_POINTS = {EDDSA: (b"\x04\x20", 32), ES256: (b"\x04\x41\x04", 64)}


class TokenPlace(BaseModel):
    """Where a key is."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    library: str
    """Path of the PKCS#11 library."""
    token: str
    """The token's label."""
    label: str
    """The key pair's."""


class TokenKey:
    """A signer whose private key is in a token.

    Args:
        place: Where.
        public: The key that verifies; every signature is verified before it is given out.
        pin: Gives the user PIN of a token; asked once, at the first signature.
    """

    def __init__(self, place: TokenPlace, public: PublicKey, pin: Callable[[str], str]) -> None:
        self._place = place
        self._public = public
        self._pin = pin
        self._known: str | None = None

    @property
    def public(self) -> PublicKey:
        """The key that verifies what this signs."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """A signature of 64 bytes, made in the token.

        Raises:
            PassphraseError: the token refuses the PIN.
            TokenError: the token or the key is not there, or does not do what it should.
        """
        pkcs11 = _package()
        if self._known is None:
            self._known = self._pin(self._place.token)
        with _session(self._place, self._known) as session:
            private = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=self._place.label)
            if self._public.algorithm == EDDSA:
                made = bytes(private.sign(message, mechanism=pkcs11.Mechanism.EDDSA))
            else:
                digest = hashlib.sha256(message).digest()
                made = bytes(private.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))
        if not self._public.verify(made, message):
            raise TokenError(
                f"key {self._place.label} in token {self._place.token} is not key {self._public.id.hex()}",
                where=self._place.library,
                remedy="its signature does not verify: is it the right token?",
            )
        return made


def make_in_token(place: TokenPlace, algorithm: int, pin: str) -> PublicKey:
    """Make a key pair inside a token; the private half is sensitive and cannot be extracted.

    Raises:
        KeysExistError: the token has a key of that label.
        PassphraseError: the token refuses the PIN.
        TokenError: it cannot make such a key.
    """
    pkcs11 = _package()
    from pkcs11.util.ec import encode_named_curve_parameters  # noqa: PLC0415 - an optional package

    edwards = algorithm == EDDSA
    with _session(place, pin, write=True) as session:
        if any(session.get_objects({pkcs11.Attribute.LABEL: place.label})):
            raise KeysExistError(
                f"token {place.token} has a key {place.label} already; keys are never overwritten",
                where=place.library,
                remedy="choose another name, or take the key that is there: --existing",
            )
        parameters = session.create_domain_parameters(
            pkcs11.KeyType.EC_EDWARDS if edwards else pkcs11.KeyType.EC,
            {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(_CURVES[algorithm])},
            local=True,
        )
        how = pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN if edwards else pkcs11.Mechanism.EC_KEY_PAIR_GEN
        public, _ = parameters.generate_keypair(
            store=True,
            label=place.label,
            mechanism=how,
            private_template={pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False},
        )
        return _read_public(bytes(public[pkcs11.Attribute.EC_POINT]), place)


def find_in_token(place: TokenPlace, pin: str) -> PublicKey:
    """The public half of a key that a token has already.

    Raises:
        PassphraseError: the token refuses the PIN.
        TokenError: there is none, or it is no Ed25519 or P-256 key.
    """
    pkcs11 = _package()
    with _session(place, pin) as session:
        key = session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, label=place.label)
        return _read_public(bytes(key[pkcs11.Attribute.EC_POINT]), place)


def _read_public(point: bytes, place: TokenPlace) -> PublicKey:
    for algorithm, (head, size) in _POINTS.items():
        if point.startswith(head) and len(point) == len(head) + size:
            key = PublicKey(algorithm, point[len(head) :])
            try:
                key.check()
            except RefusedError as error:
                raise TokenError(f"key {place.label} is not sound: {error.what}") from error
            return key
    raise TokenError(
        f"key {place.label} in token {place.token} is neither Ed25519 nor P-256", where=place.library
    )


def _package() -> Any:
    try:
        import pkcs11  # noqa: PLC0415 - an optional package
    except ImportError as error:
        raise TokenError(
            "keys in PKCS#11 tokens need a package that is not installed",
            remedy="pip install 'modelfleet[pkcs11]'",
        ) from error
    return pkcs11


@contextmanager
def _session(place: TokenPlace, pin: str, *, write: bool = False) -> Iterator[Any]:
    """A session with the user logged in.

    The PIN is in no message: the library's own words are left out of the chain.
    """
    pkcs11 = _package()
    errors = pkcs11.exceptions
    try:
        with pkcs11.lib(place.library).get_token(token_label=place.token).open(user_pin=pin, rw=write) as one:
            yield one
    except (errors.PinIncorrect, errors.PinLenRange, errors.PinInvalid, errors.PinExpired):
        raise PassphraseError(
            f"token {place.token} refuses the PIN", where=place.library, remedy="too many tries lock a token"
        ) from None
    except errors.PinLocked:
        raise PassphraseError(
            f"token {place.token} is locked after too many wrong PINs",
            where=place.library,
            remedy="its security officer unlocks it",
        ) from None
    except errors.NoSuchToken:
        raise TokenError(
            f"there is no token {place.token}", where=place.library, remedy="is it plugged in?"
        ) from None
    except errors.NoSuchKey:
        raise TokenError(f"token {place.token} has no key {place.label}", where=place.library) from None
    except (errors.PKCS11Error, RuntimeError) as error:
        raise TokenError(
            f"token {place.token} cannot be used: {type(error).__name__}",
            where=place.library,
            remedy="check the path of the PKCS#11 library, and the token with its own tools",
        ) from None

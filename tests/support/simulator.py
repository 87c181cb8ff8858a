"""Plays the owner of a fleet and whoever attacks it, in the manner of python-tuf's repository simulator.

`Repository` holds every key there is. It signs what an owner would sign, and whatever a test asks for
besides: other signers, other kinds, other values. Keys come from their names, so documents are the
same on every run.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from protocol import cose
from protocol.documents import Assignment, Desired, Manifest, NonceAnswer, Role, Root, Target
from protocol.keys import ES256, PublicKey, Signer, SoftwareKey
from protocol.trust import ASSIGNMENT, MANIFEST, NONCE, ROOT

DEVICE = "dev-0042"
MODEL = "crop-model"
NOW = 1_800_000_000
DAY = 86_400


def digest(text: str | bytes) -> bytes:
    """SHA-256, for content that only needs a name."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).digest()


class Es256Key:
    """A P-256 key whose signatures are the same on every run (RFC 6979)."""

    def __init__(self, name: str) -> None:
        self._private = ec.derive_private_key(int.from_bytes(digest(name)) >> 1, ec.SECP256R1())
        numbers = self._private.public_key().public_numbers()
        self._public = PublicKey(ES256, numbers.x.to_bytes(32) + numbers.y.to_bytes(32))

    @property
    def public(self) -> PublicKey:
        return self._public

    def sign(self, message: bytes) -> bytes:
        made = self._private.sign(message, ec.ECDSA(SHA256(), deterministic_signing=True))
        r, s = decode_dss_signature(made)
        return r.to_bytes(32) + s.to_bytes(32)


@cache
def key(name: str) -> Signer:
    """The key of a name; P-256 where the name says `hsm`."""
    return Es256Key(name) if "hsm" in name else SoftwareKey.from_seed(digest(f"fleet test key {name}"))


@dataclass
class Repository:
    """The owner. `signers` names the keys of each role now, `thresholds` how many must sign."""

    signers: dict[str, tuple[str, ...]] = field(
        default_factory=lambda: {"root": ("root",), "release": ("release",), "director": ("director",)}
    )
    thresholds: dict[str, int] = field(default_factory=dict)
    version: int = 1
    floors: dict[str, int] = field(default_factory=dict)
    expires: int = NOW + 365 * DAY

    def root_document(self, **change: Any) -> Root:
        """The current root, unsigned."""
        publics = [key(name).public for names in self.signers.values() for name in names]
        values: dict[str, Any] = {
            "version": self.version,
            "issued": NOW - DAY,
            "expires": self.expires,
            "keys": {public.id: public.to_cose() for public in publics},
            "roles": {
                role: Role(
                    threshold=self.thresholds.get(role, 1), keys=tuple(key(name).public.id for name in names)
                )
                for role, names in self.signers.items()
            },
            "floors": self.floors,
        }
        return Root(**values | change)

    def root(self, signers: Iterable[str] | None = None, *, kind: str = ROOT, **change: Any) -> bytes:
        """The current root, signed by its own root keys or by `signers`."""
        names = self.signers["root"] if signers is None else signers
        return sign(kind, self.root_document(**change).encode(), names)

    def rotate(self, role: str, *names: str) -> bytes:
        """Give a role other keys; the new root, signed by the old root keys and its own."""
        before = self.signers["root"]
        self.signers = self.signers | {role: names}
        self.version += 1
        return self.root(dict.fromkeys((*before, *self.signers["root"])))

    def assignment_document(self, generation: int = 1, **change: Any) -> Assignment:
        """What the director wants of the device."""
        values: dict[str, Any] = {
            "device": DEVICE,
            "generation": generation,
            "models": {MODEL: Desired(manifest=self.manifest_digest())},
            "min_root": self.version,
            "issued": NOW - 60,
            "expires": NOW + 7 * DAY,
        }
        return Assignment(**values | change)

    def assignment(
        self,
        generation: int = 1,
        signers: Iterable[str] | None = None,
        *,
        kind: str = ASSIGNMENT,
        **change: Any,
    ) -> bytes:
        """The same, signed by the director's keys or by `signers`."""
        names = self.signers["director"] if signers is None else signers
        return sign(kind, self.assignment_document(generation, **change).encode(), names)

    def manifest_document(self, sequence: int = 5, **change: Any) -> Manifest:
        """A release."""
        values: dict[str, Any] = {
            "model": MODEL,
            "version": f"1.{sequence}.0",
            "sequence": sequence,
            "floor": 1,
            "classes": ("linux", "gateway"),
            "provenance": digest("provenance"),
            "targets": {"simd": target("simd"), "mvp": target("mvp")},
        }
        return Manifest(**values | change)

    def manifest_digest(self, sequence: int = 5, **change: Any) -> bytes:
        """Its name."""
        return digest(self.manifest_document(sequence, **change).encode())

    def manifest(
        self, sequence: int = 5, signers: Iterable[str] | None = None, *, kind: str = MANIFEST, **change: Any
    ) -> bytes:
        """The same, signed by the release keys or by `signers`."""
        names = self.signers["release"] if signers is None else signers
        return sign(kind, self.manifest_document(sequence, **change).encode(), names)

    def nonce_answer(
        self, nonce: bytes, signer: str | None = None, *, kind: str = NONCE, **change: Any
    ) -> bytes:
        """The director's answer to a device without a clock."""
        values: dict[str, Any] = {
            "device": DEVICE,
            "nonce": nonce,
            "now": NOW,
            "generation": 1,
            "min_root": self.version,
        }
        document = NonceAnswer(**values | change)
        return cose.sign1(kind, document.encode(), key(signer or self.signers["director"][0]))


def target(name: str, **change: Any) -> Target:
    """One module of a release."""
    values: dict[str, Any] = {
        "size": 20_000,
        "sha256": digest(f"module {name}"),
        "index": digest(f"index {name}"),
        "abi": (0x10000, 0x1FFFF),
        "memory": 131_072,
        "deadline": 500,
    }
    return Target(**values | change)


def sign(kind: str, payload: bytes, names: Iterable[str]) -> bytes:
    """COSE_Sign by the keys of these names, whatever they may sign."""
    return cose.sign(kind, payload, [key(name) for name in names])

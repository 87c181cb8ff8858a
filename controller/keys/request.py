"""Documents that wait for signatures, as they travel to an air-gapped machine and back. Pure.

A request carries the whole chain of signed roots, so that whoever signs can tell with no network what
the new documents would change, and whether the chain continues the one that they know. A signature
enters only if it verifies and its key may sign that document.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal, Self

from controller.keys.errors import SigningError, StrangeRootError
from controller.keys.root import for_boards
from protocol import cose
from protocol.boards import BOARD, LINUX
from protocol.documents import MAX_MANIFEST, Manifest, Role, Root
from protocol.errors import RefusedError
from protocol.keys import PublicKey, Signer
from protocol.message import Key, Many, Message, Seconds, Text
from protocol.trust import MANIFEST, ROOT, Verifier, decode_root

MAX_REQUEST = 1 << 22
"""Largest file read, bytes."""


class _Signature(Message):
    protected: Annotated[bytes, Key(1)]
    value: Annotated[bytes, Key(2)]


class Item(Message):
    """One document and the signatures it has so far."""

    kind: Annotated[Literal["root", "manifest"], Key(1)]
    payload: Annotated[bytes, Key(2)]
    signatures: Annotated[Many[_Signature], Key(3)] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of the payload, hexadecimal; people compare it on both machines."""
        return hashlib.sha256(self.payload).hexdigest()

    @property
    def signed(self) -> bytes:
        """The document as it stands, as a COSE_Sign."""
        return cose.assemble(self.payload, [(one.protected, one.value) for one in self.signatures])

    def signers(self, keys: Mapping[bytes, PublicKey]) -> set[bytes]:
        """Ids of those of `keys` that have validly signed it."""
        if not self.signatures:
            return set()
        return cose.parse(self.signed, max_payload=len(self.payload)).signers(self.kind, keys)

    def with_signature(self, protected: bytes, value: bytes) -> Self:
        """The same with one signature more."""
        more = (*self.signatures, _Signature(protected=protected, value=value))
        return self.model_copy(update={"signatures": more})


@dataclass(frozen=True)
class Need:
    """Signatures that one role owes to a document.

    Attributes:
        role: `root` or `release`.
        version: Of the root that lists the keys.
        keys: Who may sign.
        threshold: How many must.
        signed: Who has.
    """

    role: str
    version: int
    keys: tuple[bytes, ...]
    threshold: int
    signed: frozenset[bytes]
    counted: frozenset[bytes]
    """Those of them that every device of the fleet counts: where there may be boards, Ed25519 only."""

    @property
    def missing(self) -> int:
        """How many signatures are still needed."""
        return max(0, self.threshold - len(self.counted))


class SigningRequest(Message):
    """What is to be signed. A root, if there is one, is the first item."""

    format: Annotated[Literal[1], Key(1)] = 1
    roots: Annotated[Many[bytes], Key(2)]
    """Signed roots from the first to the newest; none when the item is root 1."""
    items: Annotated[Many[Item], Key(3)]
    made: Annotated[Seconds, Key(4)]
    by: Annotated[Text, Key(5)] = ""
    """Host on which it was made; not to be trusted."""
    renew: Annotated[bool, Key(6)] = False
    """Whether every release that may be installed shall stay so under the new root's release keys."""

    @classmethod
    def read(cls, data: bytes, where: str) -> Self:
        """Decode and check a request.

        Raises:
            SigningError: it is damaged, or holds something that is not to be signed.
            StrangeRootError: its chain of roots is broken.
        """
        try:
            request = cls.decode(data, max_size=MAX_REQUEST)
            request.check()
        except (SigningError, StrangeRootError) as error:
            error.where = error.where or where
            raise
        except RefusedError as error:
            raise SigningError(
                f"this is no file to sign: {error.what}",
                where=where,
                remedy="copy it again from the desk: fleet keys rotate writes it",
            ) from error
        return request

    def check(self) -> None:
        """Hold every document to its form, and the new root to the chain.

        Raises:
            SigningError: nothing is to be signed, or a signature does not verify.
            StrangeRootError: the chain is broken, or the new root does not continue it.
            RefusedError: a document is not of its kind.
        """
        if not self.items:
            raise SigningError("there is nothing to sign in it")
        newest = self.newest
        for index, item in enumerate(self.items):
            if item.kind == MANIFEST:
                Manifest.decode(item.payload)
            elif index:
                raise SigningError("a root must be the first document")
        root = self.root
        expected = newest.version + 1 if newest else 1
        if root is not None and root.version != expected:
            raise StrangeRootError(f"root {root.version} does not follow: root {expected} would be next")
        if root is None and newest is None:
            raise SigningError("it holds neither a first root nor the roots of a fleet")
        for item in self.items:
            known = {kid for need in self.needs(item) for kid in need.keys}
            for one in item.signatures:
                header = cose.read_header(one.protected)
                if header[1] in known and header[1] not in item.signers(self.known_keys):
                    raise SigningError(f"the signature of key {header[1].hex()} does not verify")

    @cached_property
    def newest(self) -> Root | None:
        """The newest root of the chain, after following it from its first.

        Raises:
            StrangeRootError: a root does not follow the one before it.
        """
        return follow(self.roots).root if self.roots else None

    @cached_property
    def root(self) -> Root | None:
        """The root to sign, if there is one."""
        first = self.items[0]
        if first.kind != ROOT:
            return None
        return decode_root(first.payload)

    @cached_property
    def known_keys(self) -> dict[bytes, PublicKey]:
        """All keys that the newest and the new root list."""
        roots = [root for root in (self.newest, self.root) if root is not None]
        return {kid: PublicKey.from_cose(key) for root in roots for kid, key in root.keys.items()}

    def needs(self, item: Item) -> list[Need]:
        """Who must sign a document: old and new root keys, or the release keys of the root that will hold."""
        old, new = self.newest, self.root
        if item.kind == ROOT:
            asked = [("root", root) for root in (old, new) if root is not None]
        else:
            asked = [("release", root) for root in (new or old,) if root is not None]
        good = item.signers(self.known_keys)
        return [_need(role, root, good) for role, root in asked]

    @property
    def complete(self) -> bool:
        """Whether every document has the signatures it needs."""
        return not any(need.missing for item in self.items for need in self.needs(item))

    def wanted(self) -> dict[bytes, int]:
        """Key id to the number of documents that this key could still bring nearer to completion."""
        wanted: dict[bytes, int] = {}
        for item in self.items:
            needs = self.needs(item)
            for kid in {kid for need in needs for kid in need.keys if need.missing} - item.signers(
                self.known_keys
            ):
                wanted[kid] = wanted.get(kid, 0) + 1
        return wanted

    def sign(self, signers: Iterable[Signer]) -> Self:
        """The same with the signatures of those of `signers` that are wanted."""
        items = list(self.items)
        for signer in signers:
            for index, item in enumerate(items):
                needs = self.needs(item)
                kid = signer.public.id
                if any(kid in need.keys and need.missing for need in needs) and kid not in item.signers(
                    self.known_keys
                ):
                    items[index] = item.with_signature(*cose.make_signature(item.kind, item.payload, signer))
        return self.model_copy(update={"items": tuple(items)})

    def merge(self, other: Self, where: str) -> Self:
        """The same with the signatures that a copy of it collected elsewhere.

        Raises:
            SigningError: the other one asks for something else.
        """
        mine, its = ([(item.kind, item.payload) for item in one.items] for one in (self, other))
        if (self.roots, self.renew) != (other.roots, other.renew) or mine != its:
            raise SigningError(
                "the files ask for different signatures",
                where=where,
                remedy="bring back copies of one file; fleet sign shows what each holds",
            )
        items = []
        for item, copy in zip(self.items, other.items, strict=True):
            merged = item
            for one in copy.signatures:
                if one not in merged.signatures:
                    merged = merged.with_signature(one.protected, one.value)
            items.append(merged)
        return self.model_copy(update={"items": tuple(items)})


def follow(roots: Iterable[bytes]) -> Verifier:
    """Walk a chain of signed roots from its first.

    Raises:
        StrangeRootError: a root does not follow the one before it.
    """
    verifier = None
    try:
        for signed in roots:
            verifier = verifier.update_root(signed) if verifier else Verifier.enrol("desk", signed)
    except RefusedError as error:
        raise StrangeRootError(
            f"the chain of roots is broken: {error.what}", remedy="take it from the controller, or a backup"
        ) from error
    if verifier is None:
        raise StrangeRootError("there is no root to begin with")
    return verifier


def ask(
    roots: Iterable[bytes], root: Root | None, manifests: Iterable[Item], made: int, by: str
) -> SigningRequest:
    """A request for a new root, for manifests, or for both.

    Args:
        roots: The chain so far.
        root: To be signed, if any.
        manifests: See `manifest_item` and `signed_item`.
        made: Now, seconds since 1970-01-01 UTC.
        by: This host.
    """
    items = [Item(kind="root", payload=root.encode())] if root is not None else []
    return SigningRequest(roots=tuple(roots), items=(*items, *manifests), made=made, by=by)


def manifest_item(payload: bytes) -> Item:
    """A manifest that nobody has signed."""
    return Item(kind="manifest", payload=payload)


def signed_item(manifest: bytes, root: Root) -> Item:
    """A signed manifest that more shall sign.

    Args:
        manifest: Signed.
        root: The newest; signatures by its release keys stay, since devices need them until the next one is
            there, and those by keys of older roots go.

    Raises:
        CoseError: it is none.
    """
    document = cose.parse(manifest, max_payload=MAX_MANIFEST)
    item = manifest_item(document.payload)
    for one in document.signatures:
        if one.kid in root.roles["release"].keys:
            item = item.with_signature(one.protected, one.value)
    return item


def _need(role: str, root: Root, good: set[bytes]) -> Need:
    entry: Role = root.roles[role]
    signed = frozenset(good & set(entry.keys))
    everywhere = BOARD if for_boards(root) else LINUX
    counted = {kid for kid in signed if PublicKey.from_cose(root.keys[kid]).algorithm in everywhere}
    return Need(role, root.version, entry.keys, entry.threshold, signed, frozenset(counted))

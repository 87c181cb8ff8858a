"""The audit log's chain: each entry's digest covers the entry and the digest of the one before it.

So whoever has seen the digest of one entry can tell that it and all before it are unchanged. An owner of the
database could write a whole new chain; a desk that remembers the last digest that it saw notices.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from protocol import cbor
from protocol.access import AuditEntry
from protocol.chunks import sha256
from protocol.errors import RefusedError

GENESIS = bytes(32)
"""Stands for the digest of the entry before the first."""


class AuditError(RefusedError):
    """The audit log is not what it was."""


@dataclass(frozen=True)
class Head:
    """The last entry that was seen."""

    number: int = 0
    digest: bytes = GENESIS


def digest(previous: bytes, number: int, at: int, who: str, role: str, action: str, text: str) -> bytes:  # noqa: PLR0913, PLR0917 - the fields of an entry, in their order
    """SHA-256 over the deterministic CBOR of an array of all of these."""
    return sha256(cbor.encode([previous, number, at, who, role, action, text]))


def follow(head: Head, entries: Iterable[AuditEntry]) -> Head:
    """Check that entries continue the log from `head`, each by the next number.

    Raises:
        AuditError: an entry is missing, or is not the one whose digest is claimed.
    """
    for entry in entries:
        if entry.number != head.number + 1:
            raise AuditError(
                f"the audit log has no entry {head.number + 1}",
                where=f"entry {entry.number} follows entry {head.number}",
                remedy="entries were removed: compare with a backup of the controller's database",
            )
        found = digest(head.digest, entry.number, entry.at, entry.who, entry.role, entry.action, entry.text)
        if found.hex() != entry.digest:
            raise AuditError(
                f"entry {entry.number} of the audit log, or the one before it, was changed",
                where=f"it says: {entry.who} {entry.action} {entry.text}",
                remedy="compare with a backup of the controller's database",
            )
        head = Head(entry.number, found)
    return head

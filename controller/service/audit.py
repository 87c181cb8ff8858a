"""The audit log: what people changed, each entry chained to the one before it."""

from sqlalchemy import Connection, select

from controller.service.caller import caller
from controller.store import Store
from controller.store import tables as t
from controller.store.records import add
from protocol import audit
from protocol.access import AuditEntry, AuditPage

MAX_TEXT = 500


def record(tx: Connection, at: int, action: str, text: str) -> None:
    """Append an entry, in the transaction that makes the change.

    Args:
        tx: Of the change: both are stored, or neither is.
        at: Seconds since 1970-01-01 UTC.
        action: One word.
        text: To what, in words; never a secret.
    """
    newest = select(t.audit.c.id, t.audit.c.digest).order_by(t.audit.c.id.desc()).limit(1)
    last = tx.execute(newest).one_or_none()
    number, previous = (last.id + 1, last.digest) if last is not None else (1, audit.GENESIS)
    who, text = caller.get(), text[:MAX_TEXT]
    digest = audit.digest(previous, number, at, who.name, who.role.text, action, text)
    add(
        tx, t.audit, id=number, at=at, who=who.name, role=who.role.text, action=action, text=text,
        digest=digest,
    )  # fmt: skip


class AuditLog:
    """`fleet audit`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def page(self, after: int | None, limit: int) -> AuditPage:
        """Entries with higher numbers than `after`, oldest first."""
        query = select(t.audit).where(t.audit.c.id > (after or 0)).order_by(t.audit.c.id).limit(limit + 1)
        with self._store.transaction() as tx:
            rows = tx.execute(query).mappings().all()
        items = [
            AuditEntry(
                number=row["id"], at=row["at"], who=row["who"], role=row["role"], action=row["action"],
                text=row["text"], digest=row["digest"].hex(),
            )
            for row in rows[:limit]
        ]  # fmt: skip
        return AuditPage(items=items, next=str(items[-1].number) if len(rows) > limit else None)

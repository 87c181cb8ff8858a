"""Reading and writing rows; every function takes the transaction it belongs to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, Table, and_, delete, func, insert, select, update

from controller.store import tables as t

EVENTS_KEPT = 1000
"""Events remembered of each device, and of the fleet; devices must not fill the disk."""


@dataclass(frozen=True)
class Target:
    """What a device shall run of one model."""

    manifest: str
    attempt: int
    observe_inferences: int
    observe_seconds: int


def one(tx: Connection, table: Table, **where: object) -> RowMapping | None:
    """The row with these values, if there is one."""
    return tx.execute(select(table).where(*_equal(table, where))).mappings().one_or_none()


def many(tx: Connection, table: Table, **where: object) -> Sequence[RowMapping]:
    """All rows with these values, by primary key."""
    return (
        tx.execute(select(table).where(*_equal(table, where)).order_by(*table.primary_key)).mappings().all()
    )


def add(tx: Connection, table: Table, **values: object) -> int:
    """Insert a row; returns its number where the table counts them."""
    key = tx.execute(insert(table).values(**values)).inserted_primary_key
    return key[0] if key is not None and isinstance(key[0], int) else 0


def add_event(tx: Connection, *, at: int, device: str | None, kind: str, text: str) -> None:
    """Remember that something happened; the oldest event of the same device makes room."""
    add(tx, t.events, at=at, device=device, kind=kind, text=text)
    same = t.events.c.device == device
    oldest = select(t.events.c.id).where(same).order_by(t.events.c.id.desc()).offset(EVENTS_KEPT).limit(1)
    tx.execute(delete(t.events).where(same, t.events.c.id <= oldest.scalar_subquery()))


def change(tx: Connection, table: Table, where: dict[str, object], **values: object) -> int:
    """Update rows; returns how many."""
    return tx.execute(update(table).where(*_equal(table, where)).values(**values)).rowcount


def remove(tx: Connection, table: Table, **where: object) -> int:
    """Delete rows; returns how many."""
    return tx.execute(delete(table).where(*_equal(table, where))).rowcount


def _equal(table: Table, where: dict[str, object]) -> list[Any]:
    return [table.c[name] == value for name, value in where.items()]


def targets_of(tx: Connection, device: str) -> dict[str, Target]:
    """Model to what the device shall run of it."""
    return {
        row["model"]: Target(
            row["manifest"], row["attempt"], row["observe_inferences"], row["observe_seconds"]
        )
        for row in many(tx, t.targets, device=device)
    }


def wanted(tx: Connection) -> Sequence[RowMapping]:
    """The newest push of every group and model, oldest first."""
    newest = select(func.max(t.pushes.c.id)).group_by(t.pushes.c.group_name, t.pushes.c.model)
    return (
        tx.execute(select(t.pushes).where(t.pushes.c.id.in_(newest)).order_by(t.pushes.c.id)).mappings().all()
    )


def pushes_of(tx: Connection, group: str, model: str) -> Sequence[RowMapping]:
    """History of one group and model, newest first."""
    return (
        tx.execute(
            select(t.pushes)
            .where(and_(t.pushes.c.group_name == group, t.pushes.c.model == model))
            .order_by(t.pushes.c.id.desc())
        )
        .mappings()
        .all()
    )


def highest_sequence(tx: Connection, model: str) -> int:
    """Highest sequence number ever reserved for a model; 0 when there is none."""
    found = tx.execute(
        select(func.max(t.reservations.c.sequence)).where(t.reservations.c.model == model)
    ).scalar()
    return int(found or 0)


def highest_withdrawn(tx: Connection, model: str) -> int:
    """Highest sequence number of a withdrawn release; 0 when there is none."""
    found = tx.execute(
        select(func.max(t.releases.c.sequence)).where(
            and_(t.releases.c.model == model, t.releases.c.withdrawn)
        )
    ).scalar()
    return int(found or 0)


def forget_answers(tx: Connection, before: int) -> None:
    """Forget answers to requests that were made before a moment."""
    tx.execute(delete(t.answers).where(t.answers.c.at < before))


def devices_named(tx: Connection, names: Sequence[str]) -> dict[str, RowMapping]:
    """Those of `names` that are enrolled; a few queries whatever their number."""
    found = {}
    for start in range(0, len(names), 500):
        query = select(t.devices).where(t.devices.c.name.in_(names[start : start + 500]))
        found.update({row["name"]: row for row in tx.execute(query).mappings()})
    return found


def events(tx: Connection, device: str | None, after: int | None, limit: int) -> Sequence[RowMapping]:
    """The newest events, oldest first."""
    query = select(t.events).order_by(t.events.c.id.desc()).limit(limit)
    if device is not None:
        query = query.where(t.events.c.device == device)
    if after is not None:
        query = query.where(t.events.c.id > after)
    return tx.execute(query).mappings().all()[::-1]

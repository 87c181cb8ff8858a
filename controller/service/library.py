"""What the broker keeps for devices: roots, manifests, chunks. Each is published once."""

from sqlalchemy import Connection, RowMapping

from controller.service.context import Context
from controller.service.releases import blobs_of
from controller.store import tables as t
from controller.store.records import add, many, one, remove, wanted
from protocol import topics
from protocol.errors import FleetError

PAUSE = 5
"""Least seconds between two repetitions of one message that devices miss."""


class Library:
    """Publishes what releases in use need, and clears what none needs."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._repeated: dict[str, int] = {}

    def publish_roots(self) -> None:
        """All roots; there are few, and publishing one again changes nothing."""
        for version, signed in self._context.roots.items():
            self._context.publish(topics.root(version), signed)

    def missing(self, tx: Connection, manifest: str) -> dict[str, int]:
        """Digest to size of what a release needs and the broker was not given yet."""
        row = one(tx, t.releases, manifest=manifest)
        if row is None:
            return {}
        kept = {item["digest"] for item in many(tx, t.retained)}
        need = {digest.hex() for digest in blobs_of(self._context, row)} - kept
        return {digest: len(self._context.blobs.get(digest)) for digest in sorted(need)}

    def publish(self, tx: Connection, manifest: str) -> None:
        """Everything a release needs that was not published yet."""
        row = one(tx, t.releases, manifest=manifest)
        if row is None:
            return
        for digest in self.missing(tx, manifest):
            self._give(digest)
            add(tx, t.retained, digest=digest, kind="chunk")
        self._context.publish(topics.manifest(bytes.fromhex(manifest)), row["signed"])
        if one(tx, t.retained, digest=manifest) is None:
            add(tx, t.retained, digest=manifest, kind="manifest")

    def publish_again(self, tx: Connection, digest: str) -> bool:
        """What the broker may have lost, if it is something we gave to it and still have ourselves."""
        row = one(tx, t.retained, digest=digest)
        if row is None:
            return False
        if row["kind"] == "chunk":
            try:
                self._give(digest)
            except FleetError as error:
                self._lacks(tx, error)
                return False
        else:
            release = one(tx, t.releases, manifest=digest)
            if release is not None:
                self._context.publish(topics.manifest(bytes.fromhex(digest)), release["signed"])
        return True

    def repeat(self, tx: Connection, digest: str) -> None:
        """What a device misses; one that never stops asking is not answered each time."""
        now = self._context.clock()
        last = self._repeated.get(digest)
        if (last is None or abs(now - last) >= PAUSE) and self.publish_again(tx, digest):
            self._repeated[digest] = now

    def publish_all(self, tx: Connection, manifest: str) -> None:
        """Everything a release needs, whether the broker was given it or not."""
        row = one(tx, t.releases, manifest=manifest)
        if row is not None:
            for digest in {*(self._needs(tx, row) or ()), manifest}:
                self.publish_again(tx, digest)

    def restore(self, tx: Connection) -> None:
        """Give a broker that lost its storage everything again."""
        self.publish_roots()
        for row in many(tx, t.retained):
            self.publish_again(tx, row["digest"])

    def clear_unused(self, tx: Connection) -> None:
        """Take off the broker what no wanted or assigned release needs any more."""
        used = {row["manifest"] for row in many(tx, t.targets)}
        used |= {push["manifest"] for push in wanted(tx) if push["manifest"]}
        keep = set(used)
        for manifest in used:
            row = one(tx, t.releases, manifest=manifest)
            needed = self._needs(tx, row) if row is not None else set()
            if needed is None:
                return
            keep |= needed
        for row in many(tx, t.retained):
            if row["digest"] not in keep:
                digest = bytes.fromhex(row["digest"])
                topic = topics.chunk(digest) if row["kind"] == "chunk" else topics.manifest(digest)
                self._context.publish(topic, b"")
                remove(tx, t.retained, digest=row["digest"])
                self._repeated.pop(row["digest"], None)

    def _needs(self, tx: Connection, row: RowMapping) -> set[str] | None:
        """Digests of what a release needs; None when the index that lists them is damaged."""
        try:
            return {digest.hex() for digest in blobs_of(self._context, row)}
        except FleetError as error:
            self._lacks(tx, error)
            return None

    def _lacks(self, tx: Connection, error: FleetError) -> None:
        # One damaged file must not keep all the others from the devices.
        self._context.event(tx, None, "storage", error.what)

    def _give(self, digest: str) -> None:
        self._context.publish(topics.chunk(bytes.fromhex(digest)), self._context.blobs.get(digest))

"""Groups: who is in them, and what they want."""

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, RowMapping

from controller.rollout.query import parse
from controller.service.context import Context, NotFoundError
from controller.store import tables as t
from controller.store.records import add, change, many, one, remove, wanted
from protocol import api

CatchUp = Callable[[Connection, str], None]
"""Gives a device what its groups want, after it came into one."""


def labels_of(device: RowMapping) -> Mapping[str, str]:
    """Labels for queries: the device's own, its name and its class."""
    return {**device["labels"], "name": device["name"], "class": device["device_class"]}


def devices_in(tx: Connection, group: str) -> list[str]:
    """Names of all devices in a group, sorted."""
    row = one(tx, t.groups, name=group)
    if row is None:
        known = ", ".join(item["name"] for item in many(tx, t.groups)) or "none"
        raise NotFoundError(
            f"there is no group {group}",
            where=f"groups are: {known}",
            remedy=f"fleet group add {group} DEVICE …",
        )
    inside = {member["device"] for member in many(tx, t.members, group_name=group)}
    if row["query"]:
        matches = parse(row["query"])
        inside |= {device["name"] for device in many(tx, t.devices) if matches(labels_of(device))}
    return sorted(inside)


def groups_of(tx: Connection, device: str) -> list[str]:
    """Names of the groups a device is in."""
    return [row["name"] for row in many(tx, t.groups) if device in devices_in(tx, row["name"])]


class Groups:
    """`fleet group`."""

    def __init__(self, context: Context, catch_up: CatchUp) -> None:
        self._context = context
        self._catch_up = catch_up

    def list(self) -> list[api.Group]:
        """All groups."""
        with self._context.transaction() as tx:
            return [self._describe(tx, row["name"]) for row in many(tx, t.groups)]

    def get(self, name: str) -> api.Group:
        """One group."""
        with self._context.transaction() as tx:
            return self._describe(tx, name)

    def change(self, name: str, request: api.GroupChange) -> api.Group:
        """Add and remove members, or set the query; makes the group if need be.

        Raises:
            NotFoundError: a device is not enrolled; then nothing changes.
            QueryError: the query cannot be read.
        """
        with self._context.transaction() as tx:
            for device in (*request.add, *request.remove):
                if one(tx, t.devices, name=device) is None:
                    raise NotFoundError(
                        f"there is no device {device}", remedy=f"fleet enroll {device}, or fleet devices"
                    )
            if request.query:
                parse(request.query)
            if one(tx, t.groups, name=name) is None and not request.remove:
                add(tx, t.groups, name=name, query=None)
            self._context.audit(tx, "group", _words(name, request))
            before = set(devices_in(tx, name))
            if request.query is not None:
                change(tx, t.groups, {"name": name}, query=request.query or None)
            for device in request.add:
                if one(tx, t.members, group_name=name, device=device) is None:
                    add(tx, t.members, group_name=name, device=device)
            for device in request.remove:
                remove(tx, t.members, group_name=name, device=device)
            for device in set(devices_in(tx, name)) - before:
                self._context.event(tx, device, "group", f"joined {name}")
                self._catch_up(tx, device)
            return self._describe(tx, name)

    def delete(self, name: str) -> None:
        """Forget a group; its devices keep what they run."""
        with self._context.transaction() as tx:
            devices_in(tx, name)
            remove(tx, t.groups, name=name)
            self._context.audit(tx, "group", f"{name} deleted")

    def _describe(self, tx: Connection, name: str) -> api.Group:
        devices = devices_in(tx, name)
        row = one(tx, t.groups, name=name)
        return api.Group(
            name=name,
            members=[member["device"] for member in many(tx, t.members, group_name=name)],
            query=row["query"] if row else None,
            devices=devices,
            wanted={
                push["model"]: version_of(tx, push["manifest"])
                for push in wanted(tx)
                if push["group_name"] == name and push["manifest"]
            },
        )


def _words(name: str, request: api.GroupChange) -> str:
    """`farm-a: + dev-1 - dev-2, query site=north`."""
    members = [*(f"+ {device}" for device in request.add), *(f"- {device}" for device in request.remove)]
    query = [] if request.query is None else [f"query {request.query or 'none'}"]
    return f"{name}: " + ", ".join(filter(None, (" ".join(members), *query)))


def version_of(tx: Connection, manifest: str) -> str:
    """Version of a release by its manifest's digest; the digest's beginning when it is unknown."""
    row = one(tx, t.releases, manifest=manifest)
    return row["version"] if row else f"sha256:{manifest[:8]}…"

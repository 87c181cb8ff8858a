"""What a push would mean for each device of a group, and whether it may begin."""

from typing import Any

from sqlalchemy import Connection, RowMapping

from controller.rollout.plan import Candidate, Fit, fit, waves
from controller.service.context import Context, NotFoundError
from controller.service.devices import report_of
from controller.service.groups import devices_in
from controller.service.library import Library
from controller.service.releases import manifest_of
from controller.store import tables as t
from controller.store.records import one, pushes_of
from protocol import api, chunks
from protocol.errors import InputError, RefusedError


class Planner:
    """Looks at a group and a release; changes nothing."""

    def __init__(self, context: Context, library: Library) -> None:
        self._context = context
        self._library = library

    def fits(self, tx: Connection, group: str, release: RowMapping) -> list[Fit]:
        """Which module each device of a group would get."""
        manifest = manifest_of(release)
        return [fit(manifest, self.candidate(tx, name, release["model"])) for name in self.members(tx, group)]

    def members(self, tx: Connection, group: str) -> list[str]:
        """Devices of a group.

        Raises:
            InputError: there are none.
        """
        devices = devices_in(tx, group)
        if not devices:
            raise InputError(
                f"group {group} is empty", remedy=f"fleet group add {group} DEVICE …, or give it a --query"
            )
        return devices

    def previous(self, tx: Connection, group: str, model: str) -> str:
        """The release a group wanted before the present one.

        Raises:
            NotFoundError: there was none.
        """
        history = pushes_of(tx, group, model)
        now = history[0]["manifest"] if history else None
        for push in history[1:]:
            if push["manifest"] is not None and push["manifest"] != now:
                return str(push["manifest"])
        raise NotFoundError(
            f"{group} wanted no other release of {model} before",
            remedy=f"fleet push {model} --group {group} --version VERSION",
        )

    def check_interface(self, tx: Connection, request: api.PushRequest, new: RowMapping) -> None:
        """Refuse a release that applications of the running one could not use.

        Raises:
            RefusedError: inputs or outputs differ in name, type or shape.
        """
        history = pushes_of(tx, request.group, request.model)
        if not history or history[0]["manifest"] is None:
            return
        old = one(tx, t.releases, manifest=history[0]["manifest"])
        if old is None:
            return
        for side in ("inputs", "outputs"):
            was, becomes = (_interface(row["details"][side]) for row in (old, new))
            if was != becomes:
                raise RefusedError(
                    f"{request.model} {request.version} has other {side} than {old['version']}, "
                    f"which {request.group} runs",
                    where=f"{side}: {becomes} instead of {was}",
                    remedy="applications would break; --allow-interface-change if they are ready",
                )

    def candidate(self, tx: Connection, name: str, model: str) -> Candidate:
        """What is known of a device for planning."""
        row = one(tx, t.devices, name=name)
        report = report_of(row) if row is not None else None
        told = report.models.get(model) if report else None
        return Candidate(
            name,
            row["device_class"] if row is not None else "",
            bool(row and row["online"]),
            report.capabilities if report else None,
            told.running.version if told and told.running else None,
        )

    def plan(
        self, tx: Connection, group: str, release: RowMapping, fits: list[Fit], *, removal: bool = False
    ) -> api.PushPlan:
        """What the push would mean, as a resource."""
        cut = waves(fits)
        number = {name: index + 1 for index, (_, names) in enumerate(cut) for name in names}
        manifest = manifest_of(release)
        return api.PushPlan(
            model=release["model"],
            version=release["version"],
            group=group,
            manifest=release["manifest"],
            waves=[f"{name}: {len(names)}" for name, names in cut],
            devices=[
                api.PlannedDevice(
                    device=item.device,
                    wave=number.get(item.device),
                    target=item.target,
                    bytes=0 if removal or not item.target else self._to_send(tx, item, release),
                    online=item.online,
                    reason=item.reason,
                )
                for item in fits
            ],
            publish_bytes=0
            if removal
            else sum(self._library.missing(tx, release["manifest"]).values()) + len(manifest.encode()),
        )

    def _blob(self, digest: bytes) -> bytes:
        return self._context.blobs.get(digest.hex())

    def _to_send(self, tx: Connection, item: Fit, release: RowMapping) -> int:
        """Bytes of the module that the device's installed release does not share."""

        def listed(row: RowMapping, target: str) -> dict[bytes, int]:
            manifest = manifest_of(row)
            if target not in manifest.targets:
                return {}
            index = chunks.index_of(manifest, target, self._blob)
            return {chunk.digest: chunk.length for chunk in index.chunks}

        device = one(tx, t.devices, name=item.device)
        report = report_of(device) if device is not None else None
        told = report.models.get(release["model"]) if report else None
        there: set[bytes] = set()
        if told and told.running:
            old = one(tx, t.releases, manifest=told.running.manifest.hex())
            if old is not None:
                there = set(listed(old, told.running.target))
        return sum(
            length for digest, length in listed(release, item.target or "").items() if digest not in there
        )


def _interface(tensors: list[dict[str, Any]]) -> list[str]:
    """Name, the type people see, and shape of each tensor."""
    return [
        f"{x['name']} {'float32' if x['scale'] is not None else x['dtype']}{list(x['shape'])}"
        for x in tensors
    ]

"""Devices: enrolment, labels, and how each stands."""

import hashlib
import hmac
import secrets

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import Connection, RowMapping

from controller.service.context import ConflictError, Context, NotFoundError
from controller.service.director import Director
from controller.service.groups import CatchUp, devices_in, groups_of, version_of
from controller.service.identities import Identities
from controller.store import tables as t
from controller.store.records import add, change, many, one, remove, targets_of
from protocol import api, topics
from protocol.documents import ModelReport, Report
from protocol.enrolment import Invitation, report_key
from protocol.errors import RefusedError


def report_of(row: RowMapping) -> Report | None:
    """The newest report of a device, if it ever sent one."""
    return Report.decode(row["report"]) if row["report"] else None


def find(tx: Connection, name: str) -> RowMapping:
    """The row of a device.

    Raises:
        NotFoundError: it is not enrolled.
    """
    row = one(tx, t.devices, name=name)
    if row is None:
        raise NotFoundError(f"there is no device {name}", remedy=f"fleet enroll {name}, or fleet devices")
    return row


def state_of(row: RowMapping, wanted: str | None, report: ModelReport | None) -> api.DeviceState:
    """Where a device stands with one model."""
    if wanted is not None and report is not None and report.wanted == bytes.fromhex(wanted):
        if report.state in ("confirmed", "failed"):
            return report.state  # type: ignore[return-value]  # narrowed by the test
        if row["online"] and report.state != "idle":
            return report.state  # type: ignore[return-value]  # the states of a report are states of a device
    if wanted is None and report is None:
        return "confirmed"
    return "assigned" if row["online"] else "offline"


class Devices:
    """`fleet enroll`, `fleet devices`, `fleet label`."""

    def __init__(
        self, context: Context, director: Director, catch_up: CatchUp, identities: Identities
    ) -> None:
        self._context = context
        self._director = director
        self._identities = identities
        self._catch_up = catch_up

    def enrol(self, request: api.DeviceCreate) -> api.Enrolment:
        """Make a device known and give its invitation.

        Raises:
            ConflictError: the name is taken.
        """
        context = self._context
        token = secrets.token_urlsafe(32)
        with context.transaction() as tx:
            if one(tx, t.devices, name=request.name) is not None:
                raise ConflictError(
                    f"device {request.name} is enrolled already",
                    remedy=f"fleet unenroll {request.name} first, if it is a new device under an old name",
                )
            add(
                tx, t.devices, name=request.name, device_class=request.device_class, labels=request.labels,
                token_sha256=hashlib.sha256(token.encode()).hexdigest(), created=context.clock(),
            )  # fmt: skip
            context.event(tx, request.name, "enrolled", "invited; waits for the device to claim its place")
            context.audit(tx, "enroll", f"{request.name} of class {request.device_class}")
            self._catch_up(tx, request.name)
        invitation = Invitation(
            device=request.name,
            device_class=request.device_class,
            controller=context.controller_url,
            broker=context.publisher.url,
            token=token,
            root=context.roots[max(context.roots)],
            certificate=context.certificate,
        )
        return api.Enrolment(device=request.name, invitation=invitation.encode().hex())

    def claim(self, name: str, request: api.Claim) -> api.Claimed:
        """Redeem an invitation. The same device may repeat it, in case the answer was lost.

        Raises:
            RefusedError: unknown device, wrong or used token; the same words for all of them.
        """
        context = self._context
        digest = hashlib.sha256(request.token.encode()).hexdigest()
        public_key = bytes.fromhex(request.public_key)
        refused = RefusedError(
            f"the invitation of {name} is not valid, or was used by another device",
            remedy=f"fleet unenroll {name} and fleet enroll {name} give a new one",
        )
        with context.transaction() as tx:
            row = one(tx, t.devices, name=name)
            if row is None or not hmac.compare_digest(row["token_sha256"] or "", digest):
                raise refused
            if row["public_key"] is not None and row["public_key"] != public_key:
                raise refused
            try:
                report_key(context.exchange_key, public_key, name)
            except ValueError as error:
                raise RefusedError(f"the public key of {name} is not sound") from error
            if row["public_key"] is None:
                change(tx, t.devices, {"name": name}, public_key=public_key)
                context.event(tx, name, "claimed", "the device claimed its place")
                self._director.claimed(tx, name)
            credentials = None
            if request.request is not None:
                csr = bytes.fromhex(request.request)
                credentials = self._identities.issue(tx, name, public_key, csr)
        self._identities.refresh()
        public = X25519PrivateKey.from_private_bytes(context.exchange_key).public_key()
        return api.Claimed(
            public_key=public.public_bytes_raw().hex(),
            broker=context.publisher.url,
            credentials=credentials,
        )

    def delete(self, name: str) -> None:
        """Forget a device; its topics are cleared, its reports refused, and the broker cuts it off.

        Raises:
            NotFoundError: it is not enrolled.
            FleetError: it is forgotten, but the broker was not told.
        """
        context = self._context
        with context.transaction() as tx:
            public_key = find(tx, name)["public_key"]
            self._identities.revoke(tx, name)
            remove(tx, t.members, device=name)
            remove(tx, t.targets, device=name)
            remove(tx, t.devices, name=name)
            context.event(tx, name, "unenrolled", "forgotten; it keeps what it runs")
            context.audit(tx, "unenroll", name)
            for leaf in ("desired", "reported", "presence"):
                context.publish(topics.device(name, leaf), b"")
        if public_key is not None:
            self._identities.refresh()
            self._identities.cut_off(name)

    def set_labels(self, name: str, labels: dict[str, str]) -> api.Device:
        """Replace all labels; the device may so enter groups."""
        context = self._context
        with context.transaction() as tx:
            find(tx, name)
            change(tx, t.devices, {"name": name}, labels=labels)
            words = " ".join(f"{key}={value}" for key, value in sorted(labels.items())) or "no labels"
            context.audit(tx, "label", f"{name}: {words}")
            self._catch_up(tx, name)
            return self.describe(tx, find(tx, name))

    def get(self, name: str) -> api.Device:
        """One device."""
        with self._context.transaction() as tx:
            return self.describe(tx, find(tx, name))

    def page(self, group: str | None, cursor: str, limit: int) -> api.DevicePage:
        """Devices after the name `cursor`."""
        with self._context.transaction() as tx:
            inside = None if group is None else set(devices_in(tx, group))
            rows = [
                row
                for row in many(tx, t.devices)
                if row["name"] > cursor and (inside is None or row["name"] in inside)
            ]
            items = [self.describe(tx, row) for row in rows[:limit]]
        return api.DevicePage(items=items, next=items[-1].name if len(rows) > limit else None)

    def describe(self, tx: Connection, row: RowMapping) -> api.Device:
        """A device as a resource."""
        report = report_of(row)
        targets = targets_of(tx, row["name"])
        reported = dict(report.models) if report else {}
        models = {}
        for model in sorted(targets.keys() | reported.keys()):
            wanted = targets[model].manifest if model in targets else None
            told = reported.get(model)
            models[model] = api.WantedModel(
                wanted=version_of(tx, wanted) if wanted else None,
                running=told.running.version if told and told.running else None,
                state=state_of(row, wanted, told),
                report=told,
            )
        return api.Device(
            name=row["name"],
            device_class=row["device_class"],
            labels=row["labels"],
            groups=groups_of(tx, row["name"]),
            claimed=row["public_key"] is not None,
            online=row["online"],
            stale=bool(report and report.stale),
            last_seen=row["last_seen"],
            generation=row["generation"],
            reported_generation=report.generation if report else None,
            capabilities=report.capabilities if report else None,
            models=models,
            fault=report.fault if report else None,
        )

"""Certificates of devices: given, renewed, revoked; and the broker kept informed of all who may connect."""

import threading
from datetime import UTC, datetime

from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection, delete, select

from controller.delivery.authority import app_user
from controller.service.context import Context
from controller.store import tables as t
from controller.store.records import add, change, many, one
from protocol import api, cose
from protocol.enrolment import MAX_RENEWAL, RENEWAL, Renewal, report_key
from protocol.errors import RefusedError

MOST_CERTIFICATES = 20
"""That one device may hold at a time: it asks again after a lost answer, but not without end."""


class Identities:
    """Who may connect to the broker, and as whom."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._writing = threading.Lock()

    @property
    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._context.clock(), UTC)

    def issue(self, tx: Connection, device: str, public_key: bytes, request: bytes) -> api.Credentials:
        """Sign a device's request; `refresh` tells the broker of a new device.

        Raises:
            RefusedError: the request is not sound, or the device holds too many certificates.
        """
        authority, now = self._context.access.authority, self._context.clock()
        tx.execute(delete(t.certificates).where(t.certificates.c.expires <= now))
        if len(many(tx, t.certificates, device=device, revoked=False)) >= MOST_CERTIFICATES:
            raise RefusedError(
                f"{device} holds {MOST_CERTIFICATES} certificates already",
                remedy=f"fleet unenroll {device} revokes them; then enrol it again",
            )
        certificate = authority.device(request, device, public_key, self._now)
        add(
            tx, t.certificates, serial=f"{certificate.serial_number:x}", device=device,
            expires=int(certificate.not_valid_after_utc.timestamp()),
        )  # fmt: skip
        return api.Credentials(
            certificate=certificate.public_bytes(Encoding.DER).hex(),
            authority=authority.certificate.public_bytes(Encoding.DER).hex(),
        )

    def renew(self, device: str, request: api.RenewalRequest) -> api.Credentials:
        """Give a device a new certificate; it proves itself by its report key, not by the old one.

        So a device that slept until its certificate had expired comes back by itself.

        Raises:
            RefusedError: no such device, or not its key; the same words for both.
        """
        context = self._context
        refused = RefusedError(
            f"the request is not of {device} as it is enrolled",
            remedy=f"fleet unenroll {device}, fleet enroll {device}, and claim the new invitation there",
        )
        with context.transaction() as tx:
            row = one(tx, t.devices, name=device)
            if row is None or row["public_key"] is None:
                raise refused
            key = report_key(context.exchange_key, row["public_key"], device)
            try:
                data = bytes.fromhex(request.renewal)
                renewal = Renewal.decode(cose.open_mac0(RENEWAL, data, key, max_payload=MAX_RENEWAL))
            except RefusedError as error:
                raise refused from error
            if renewal.device != device:
                raise refused
            given = self.issue(tx, device, row["public_key"], renewal.request)
            context.event(tx, device, "renewed", "has a new certificate")
            return given

    def revoke(self, tx: Connection, device: str) -> None:
        """A device's certificates hold no longer; `refresh` and `cut_off` tell the broker."""
        change(tx, t.certificates, {"device": device}, revoked=True)

    def refresh(self) -> None:
        """Write down who may connect, and tell the broker.

        Raises:
            FleetError: the broker could not be told.
        """
        # Not under the lock of the context: a slow command must not hold up everyone else.
        with self._writing:
            with self._context.transaction() as tx:
                columns = t.devices.c.name, t.devices.c.public_key
                claimed = tx.execute(select(*columns).where(t.devices.c.public_key.is_not(None)))
                devices = {row.name: row.public_key for row in claimed}
                apps = _apps(tx)
                revoked = [*many(tx, t.certificates, revoked=True), *many(tx, t.applications, revoked=True)]
            self._context.access.write(devices, apps, [int(row["serial"], 16) for row in revoked], self._now)

    def cut_off(self, *users: str) -> None:
        """End the live sessions of those who may connect no longer."""
        self._context.access.cut_off(users, self._context.publisher.url, self._now)

    def cut_off_all(self) -> None:
        """The same for all whose certificates still hold in time: a predecessor may have been killed."""
        with self._context.transaction() as tx:
            enrolled = {row["name"] for row in many(tx, t.devices)}
            revoked = many(tx, t.certificates, revoked=True)
            apps = {app_user(name) for name, uri in _apps(tx).items() if uri is None}
        gone = {row["device"] for row in revoked if row["expires"] > self._context.clock()} - enrolled
        self.cut_off(*sorted(gone | apps))


def _apps(tx: Connection) -> dict[str, str | None]:
    """Application to the URI of its certificate; None if it was removed."""
    rows = many(tx, t.applications)
    uris = {row["name"]: row["uri"] for row in rows if not row["revoked"]}
    return {row["name"]: uris.get(row["name"]) for row in rows}

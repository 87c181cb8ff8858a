"""Applications: programs that ask devices for inferences through the broker, and their certificates."""

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import RowMapping, delete, select, update

from controller.delivery.authority import app_user, uri_of
from controller.service.context import ConflictError, Context, NotFoundError
from controller.service.identities import Identities
from controller.store import tables as t
from controller.store.records import add, change, many, one
from protocol.access import App, AppCreate, NewApp
from protocol.api import Credentials

_KEPT = 86400
"""Seconds that one whose certificate has expired stays denied: a live session outlasts its certificate."""


class Applications:
    """`fleet app`."""

    def __init__(self, context: Context, identities: Identities) -> None:
        self._context = context
        self._identities = identities

    def create(self, request: AppCreate) -> NewApp:
        """Give an application a certificate, and the broker its permissions.

        Raises:
            ConflictError: the name is taken, or the broker asks nobody for a certificate.
            RefusedError: the request is not sound.
            FleetError: it is stored, but the broker was not told.
        """
        context, name = self._context, request.name
        broker, authority, now = context.publisher.url, context.access.authority, context.clock()
        if not broker.startswith("mqtts://"):
            raise ConflictError(
                "the broker asks nobody for a certificate: whoever reaches it may ask devices",
                where=broker,
                remedy="fleet up --mqtt-tls, or a broker with certificates: fleet up --broker mqtts://HOST:PORT",
            )
        with context.transaction() as tx:
            if one(tx, t.applications, name=name, revoked=False) is not None:
                raise ConflictError(
                    f"there is an application {name} already",
                    remedy=f"take another name for another program, or fleet app remove {name} first",
                )
            certificate = authority.application(
                bytes.fromhex(request.request), name, datetime.fromtimestamp(now, UTC),
                timedelta(days=request.days),
            )  # fmt: skip
            expires = int(certificate.not_valid_after_utc.timestamp())
            add(
                tx, t.applications, name=name, serial=f"{certificate.serial_number:x}",
                uri=uri_of(certificate), created=now, expires=expires,
            )  # fmt: skip
            context.audit(tx, "app", f"added {name}, for {request.days} days")
        self._identities.refresh()
        return NewApp(
            name=name, created=now, expires=expires, broker=broker,
            credentials=Credentials(
                certificate=certificate.public_bytes(Encoding.DER).hex(),
                authority=authority.certificate.public_bytes(Encoding.DER).hex(),
            ),
        )  # fmt: skip

    def list(self) -> list[App]:
        """All that the broker admits, by name."""
        with self._context.transaction() as tx:
            rows = many(tx, t.applications, revoked=False)
        now = self._context.clock()
        apps = [_app(row) for row in rows if row["expires"] > now]
        return sorted(apps, key=lambda app: app.name)

    def remove(self, name: str) -> None:
        """Revoke its certificate; the broker cuts it off.

        Raises:
            NotFoundError: there is none of that name.
            FleetError: it is revoked, but the broker was not told.
        """
        with self._context.transaction() as tx:
            if not change(tx, t.applications, {"name": name, "revoked": False}, revoked=True):
                raise NotFoundError(f"there is no application {name}", remedy="fleet app list")
            self._context.audit(tx, "app", f"removed {name}")
        self._identities.refresh()
        self._identities.cut_off(app_user(name))

    def tick(self) -> None:
        """Cut off those whose certificates have expired: brokers look at them only when one connects.

        Raises:
            FleetError: the broker was not told.
        """
        table, now = t.applications, self._context.clock()
        expired = table.c.expires <= now, ~table.c.revoked
        with self._context.transaction() as tx:
            tx.execute(delete(table).where(table.c.expires <= now - _KEPT, table.c.revoked))
            names = tx.execute(select(table.c.name).where(*expired)).scalars().all()
            if names:
                tx.execute(update(table).where(*expired).values(revoked=True))
        if names:
            self._identities.refresh()
            self._identities.cut_off(*map(app_user, names))


def _app(row: RowMapping) -> App:
    return App(name=row["name"], created=row["created"], expires=row["expires"])

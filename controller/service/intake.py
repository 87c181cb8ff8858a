"""What devices say: reports, telemetry, presence, nonces. A broker cannot forge any of what counts."""

import secrets
from collections.abc import Iterator

from sqlalchemy import Connection, RowMapping

from controller.service.commands import Commands
from controller.service.context import Context
from controller.service.devices import report_of
from controller.service.director import Director
from controller.service.library import Library
from controller.service.rollouts import Rollouts
from controller.store import tables as t
from controller.store.records import change, many, one
from protocol import cose, topics
from protocol.commands import MAX_RESULT, RESULT, Result
from protocol.documents import MAX_REPORT, ModelReport, NonceAnswer, Report, Telemetry
from protocol.enrolment import report_key
from protocol.errors import FleetError, RefusedError
from protocol.trust import NONCE, REPORT, TELEMETRY

QUIET = 60
"""Seconds between two events about dropped messages of one kind of one device."""
FIRST_REMINDER, LAST_REMINDER = 5, 300
"""Least and most seconds after which an assignment that was not taken is published again."""

LAST_GENERATION = 1 << 53
"""Highest generation believed, so that no device can use up the numbers above it."""


class Intake:
    """Takes messages of devices, one at a time."""

    def __init__(
        self, context: Context, director: Director, library: Library, rollouts: Rollouts, commands: Commands
    ) -> None:
        self._context = context
        self._director = director
        self._library = library
        self._rollouts = rollouts
        self._commands = commands
        self._reminders: dict[str, tuple[int, int, int]] = {}
        self._has_connected = False
        self._told: dict[tuple[str, str], int] = {}

    def handle(self, device: str, leaf: str, payload: bytes) -> None:
        """Take one message; what is forged, replayed or malformed leaves an event and nothing else."""
        context = self._context
        with context.lock:
            try:
                with context.transaction() as tx:
                    row = one(tx, t.devices, name=device)
                    if row is None or row["public_key"] is None or not payload:
                        return
                    take = {"reported": self._report, "telemetry": self._telemetry,
                            "presence": self._presence, "nonce": self._nonce,
                            "result": self._result}[leaf]  # fmt: skip
                    take(tx, row, payload)
            except FleetError as error:
                self._dropped(device, leaf, error)
            context.changed.notify_all()

    def idle(self) -> None:
        """No message waits: draw the conclusions from those that came."""
        self._rollouts.catch_up()

    def _dropped(self, device: str, leaf: str, error: FleetError) -> None:
        """Leave an event, but at most one a minute: whoever floods must not fill the disk."""
        context, now = self._context, self._context.clock()
        if now - self._told.get((device, leaf), 0) >= QUIET:
            self._told[device, leaf] = now
            with context.transaction() as tx:
                context.event(tx, device, "refused", f"dropped a {leaf} message: {error.what}")

    def broker_connected(self, *, kept: bool) -> None:
        """The broker is there, or back again; one that lost what it kept is given all of it.

        Args:
            kept: Whether it still retains what we last gave it.
        """
        context = self._context
        with context.transaction() as tx:
            if not self._has_connected:
                # A root may have come while this controller did not run.
                self._director.keep_up(tx)
            if not kept:
                context.event(tx, None, "broker", "the broker has lost what it kept; it is given all of it")
                self._library.restore(tx)
                for row in many(tx, t.devices):
                    self._director.publish_again(tx, row["name"])
            elif not self._has_connected:
                # What this process's predecessor had not yet sent when it ended.
                for row in many(tx, t.rollouts, state="running"):
                    if row["plan"]["manifest"] is not None:
                        self._library.publish_all(tx, row["plan"]["manifest"])
            self._has_connected = True

    def root_changed(self) -> None:
        """Publish the roots, and assignments under the newest."""
        with self._context.transaction() as tx:
            self._library.publish_roots()
            self._director.keep_up(tx)

    def _key(self, row: RowMapping) -> bytes:
        return report_key(self._context.exchange_key, row["public_key"], row["name"])

    def _report(self, tx: Connection, row: RowMapping, payload: bytes) -> None:
        body = cose.open_mac0(REPORT, payload, self._key(row), max_payload=MAX_REPORT)
        report = Report.decode(body)
        if report.device != row["name"]:
            raise RefusedError(f"report is by {report.device}")
        if (report.boot, report.sequence) <= (row["boot"], row["sequence"]):
            if body != row["report"]:
                raise RefusedError("report is older than the newest one")
            return
        if report.generation > LAST_GENERATION:
            raise RefusedError(f"report has generation {report.generation}; nobody comes that far")
        before = report_of(row)
        change(
            tx, t.devices, {"name": row["name"]}, report=body, boot=report.boot, sequence=report.sequence,
            last_seen=self._context.clock(),
        )  # fmt: skip
        self._tell(tx, row["name"], before, report)
        for digest in report.missing:
            self._library.repeat(tx, digest.hex())
        if report.generation > row["generation"]:
            # Somebody else signed with our key, or our database is older than the fleet: go past it.
            self._context.event(
                tx, row["name"], "generation",
                f"reports generation {report.generation}, beyond our {row['generation']}: signs above it",
            )  # fmt: skip
            self._director.sign(tx, row["name"], report.generation + 1)
        self._rollouts.touch(row["name"])

    def _tell(self, tx: Connection, device: str, before: Report | None, now: Report) -> None:
        """Write what changed between two reports down, in words."""
        event = self._context.event
        if before is None or before.generation != now.generation:
            event(tx, device, "generation", f"generation {now.generation} arrived, signatures good")
        if now.fault and (before is None or before.fault != now.fault):
            event(tx, device, now.fault.code, now.fault.text)
        if now.stale and not (before and before.stale):
            event(tx, device, "stale", "its assignment has expired; it goes on serving and installs nothing")
        for model, told in now.models.items():
            old = before.models.get(model) if before else None
            for kind, text in _news(model, old, told):
                event(tx, device, kind, text)

    def _telemetry(self, tx: Connection, row: RowMapping, payload: bytes) -> None:
        body = cose.open_mac0(TELEMETRY, payload, self._key(row), max_payload=MAX_REPORT)
        telemetry = Telemetry.decode(body)
        if telemetry.device != row["name"]:
            raise RefusedError(f"telemetry is by {telemetry.device}")
        if (telemetry.boot, telemetry.sequence) <= (row["telemetry_boot"], row["telemetry_sequence"]):
            return
        change(
            tx, t.devices, {"name": row["name"]}, telemetry=body, telemetry_boot=telemetry.boot,
            telemetry_sequence=telemetry.sequence, last_seen=self._context.clock(),
        )  # fmt: skip

    def _presence(self, tx: Connection, row: RowMapping, payload: bytes) -> None:
        online = payload == b"online"
        if online == row["online"]:
            return
        change(tx, t.devices, {"name": row["name"]}, online=online, last_seen=self._context.clock())
        self._context.event(tx, row["name"], "presence", "online" if online else "offline")
        if online:
            self._director.publish_again(tx, row["name"])
        self._rollouts.touch(row["name"])

    def _nonce(self, _tx: Connection, row: RowMapping, payload: bytes) -> None:
        if not 16 <= len(payload) <= 32:
            raise RefusedError(f"nonce of {len(payload)} bytes; 16 to 32 are expected")
        context = self._context
        answer = NonceAnswer(
            device=row["name"], nonce=payload, now=context.clock(), generation=row["generation"],
            min_root=context.root.version,
        )  # fmt: skip
        signed = cose.sign1(NONCE, answer.encode(), context.director)
        context.publisher.send(topics.device(row["name"], "time"), signed)

    def _result(self, _tx: Connection, row: RowMapping, payload: bytes) -> None:
        result = Result.decode(cose.open_mac0(RESULT, payload, self._key(row), max_payload=MAX_RESULT))
        if result.device != row["name"]:
            raise RefusedError(f"result is by {result.device}")
        self._commands.take(result)

    def tick(self) -> None:
        """Now and then: remind devices that lag, renew assignments, advance rollouts."""
        context = self._context
        with context.lock:
            with context.transaction() as tx:
                self._director.renew(tx)
                self._remind(tx)
            self._rollouts.step_all()

    def _remind(self, tx: Connection) -> None:
        """Publish assignments again that online devices have not taken, ever less often."""
        now = self._context.clock()
        lagging: dict[str, tuple[int, int, int]] = {}
        for row in many(tx, t.devices, online=True):
            report = report_of(row)
            if row["assignment"] is None or (report and report.generation >= row["generation"]):
                continue
            # Signed when the clock was ahead, it would wait until the clock is there again.
            first = (row["generation"], min(row["issued"], now) + FIRST_REMINDER, FIRST_REMINDER)
            generation, due, pause = self._reminders.get(row["name"], first)
            if generation != row["generation"]:
                generation, due, pause = first
            if now >= due:
                self._director.publish_again(tx, row["name"])
                pause = min(2 * pause, LAST_REMINDER)
                due = now + pause + secrets.randbelow(pause // 2 + 1)
            lagging[row["name"]] = (generation, due, pause)
        self._reminders = lagging


def _has_fetched(before: ModelReport | None, now: ModelReport) -> bool:
    """Whether a release was completed between two reports; the steps between may have gone unreported."""
    fetching = before is None or before.wanted != now.wanted or before.state in ("fetching", "failed", "idle")
    return fetching and now.state in ("verifying", "loading", "testing", "observing") and now.have == now.size


def _news(model: str, old: ModelReport | None, now: ModelReport) -> Iterator[tuple[str, str]]:
    """What is new about one model: kinds of events and their texts."""
    if now.fault and (old is None or old.fault != now.fault):
        yield now.fault.code, f"{model}: {now.fault.text}"
    if old is not None and (old.state, old.wanted) == (now.state, now.wanted):
        return
    if _has_fetched(old, now):
        reused = f", {now.reused:,} B were there" if now.reused else ""
        yield "fetched", f"{model}: fetched {now.size - now.reused:,} of {now.size:,} B{reused}"
    runs = now.running.version if now.running else None
    if now.state == "observing":
        golden = f"golden {now.golden[0]}/{now.golden[1]}, " if now.golden else ""
        yield "switched", f"{model}: {golden}switched, observing"
    elif now.state == "confirmed" and runs:
        yield "confirmed", f"{model} {runs} confirmed"
    elif now.state == "failed":
        yield (
            "gave-up",
            f"{model}: did not take the release, {f'runs {runs}' if runs else 'runs nothing of it'}",
        )

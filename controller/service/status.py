"""`fleet status` and `fleet why`: the fleet, or one device, in words."""

from sqlalchemy import Connection, RowMapping

from controller.service.context import Context
from controller.service.devices import find, report_of
from controller.service.groups import devices_in, version_of
from controller.service.rollouts import Rollouts
from controller.store import tables as t
from controller.store.records import events, many, targets_of, wanted
from protocol import api
from protocol.documents import Telemetry

RECENT = 300
"""Seconds for which an ended rollout is still news."""
QUIET = 30
"""Seconds after which telemetry says nothing about the present."""


class Status:
    """Reads; changes nothing."""

    def __init__(self, context: Context, rollouts: Rollouts) -> None:
        self._context = context
        self._rollouts = rollouts

    def status(self) -> api.Status:
        """The whole fleet on one page."""
        context, now = self._context, self._context.clock()
        with context.transaction() as tx:
            rows = many(tx, t.devices)
            reports = {row["name"]: report_of(row) for row in rows}
            failed = {
                name
                for name, report in reports.items()
                if report and any(model.state == "failed" for model in report.models.values())
            }
            return api.Status(
                at=now,
                devices=len(rows),
                online=sum(row["online"] for row in rows),
                stale=sum(bool(report and report.stale) for report in reports.values()),
                failed=len(failed),
                rollouts=self._rollouts.recent(tx, now - RECENT),
                attention=[note for row in rows for note in self._attention(tx, row)],
                groups=self._groups(tx, {row["name"]: row for row in rows}),
            )

    def _attention(self, tx: Connection, row: RowMapping) -> list[api.Attention]:
        name, report = row["name"], report_of(row)
        since = row["last_seen"] or row["created"]
        notes = []
        if report:
            for model, told in report.models.items():
                if told.state == "failed" and told.fault:
                    stays = f"; runs {told.running.version}, serving" if told.running else ""
                    at = told.fault.at or since
                    notes.append(
                        api.Attention(
                            device=name, state="failed", text=f"{model}: {told.fault.text}{stays}", since=at
                        )
                    )
            if report.stale:
                notes.append(
                    api.Attention(device=name, state="stale", text="its assignment has expired", since=since)
                )
            if report.fault:
                notes.append(
                    api.Attention(
                        device=name, state="refused", text=report.fault.text, since=report.fault.at or since
                    )
                )
        if row["public_key"] is None:
            notes.append(
                api.Attention(
                    device=name, state="invited", text="has not claimed its place yet", since=row["created"]
                )
            )
        elif not row["online"]:
            behind = [
                f"{model} {version_of(tx, target.manifest)}"
                for model, target in targets_of(tx, name).items()
                if not _runs(report, model, target.manifest)
            ]
            text = f"will catch up with {', '.join(behind)} when back" if behind else "nothing waits for it"
            notes.append(api.Attention(device=name, state="offline", text=text, since=since))
        return notes

    def _groups(self, tx: Connection, rows: dict[str, RowMapping]) -> list[api.GroupModel]:
        lines = []
        pushes = wanted(tx)
        for group in many(tx, t.groups):
            names = devices_in(tx, group["name"])
            online = sum(rows[name]["online"] for name in names)
            models = {
                p["model"]: p["manifest"]
                for p in pushes
                if p["group_name"] == group["name"] and p["manifest"]
            }
            for model, manifest in sorted(models.items()) or [("", None)]:
                running: dict[str, int] = {}
                for name in names:
                    report = report_of(rows[name])
                    told = report.models.get(model) if report else None
                    if told and told.running:
                        running[told.running.version] = running.get(told.running.version, 0) + 1
                lines.append(
                    api.GroupModel(
                        group=group["name"], devices=len(names), online=online, model=model, running=running,
                        wanted=version_of(tx, manifest) if manifest else None,
                        rate=sum(self._rate(rows[name], model) for name in names),
                    )
                )  # fmt: skip
        return lines

    def _rate(self, row: RowMapping, model: str) -> float:
        if (
            not row["telemetry"]
            or not row["online"]
            or self._context.clock() - (row["last_seen"] or 0) > QUIET
        ):
            return 0.0
        usage = Telemetry.decode(row["telemetry"]).models.get(model)
        return usage.rate if usage else 0.0

    def why(self, name: str) -> api.Why:
        """What a device runs, should run, how it came to that, and what would change it."""
        context = self._context
        with context.transaction() as tx:
            row = find(tx, name)
            report = report_of(row)
            summary, remedies = [], []
            targets = targets_of(tx, name)
            for model in sorted(targets.keys() | set(report.models if report else ())):
                target = targets.get(model)
                told = report.models.get(model) if report else None
                runs = f"runs {model} {told.running.version}" if told and told.running else f"runs no {model}"
                if target is None:
                    summary.append(f"{name} {runs} and should run none.")
                elif _runs(report, model, target.manifest):
                    summary.append(f"{name} {runs}, as it should.")
                else:
                    summary.append(f"{name} {runs} and should run {version_of(tx, target.manifest)}.")
                    groups = [g["name"] for g in many(tx, t.groups) if name in devices_in(tx, g["name"])]
                    if told and told.state == "failed" and groups:
                        remedies.append(f"fleet push {model} --group {groups[0]} --retry-failed")
            if not summary:
                summary.append(f"{name} runs nothing, and nothing is wanted of it.")
            if row["public_key"] is None:
                remedies.append(f"on the device: fleet-agent claim {name}.invite")
            elif not row["online"]:
                remedies.append("it is offline: start fleet-agent run there, and check its way to the broker")
            found = events(tx, name, None, 50)
            return api.Why(
                device=name, summary=summary, events=[_event(item) for item in found], remedies=remedies
            )

    def events(self, device: str | None, after: int | None, limit: int) -> list[api.Event]:
        """What happened, oldest first."""
        with self._context.transaction() as tx:
            return [_event(row) for row in events(tx, device, after, limit)]


def _runs(report: object, model: str, manifest: str) -> bool:
    told = getattr(report, "models", {}).get(model)
    return bool(told and told.running and told.running.manifest.hex() == manifest)


def _event(row: RowMapping) -> api.Event:
    return api.Event(at=row["at"], device=row["device"], kind=row["kind"], text=row["text"])

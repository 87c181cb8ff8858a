"""Pushes, rollbacks, removals, and what becomes of them."""

import logging
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, RowMapping

from controller.rollout import engine
from controller.rollout.engine import Wave
from controller.rollout.plan import Fit, waves
from controller.service.context import ConflictError, Context, NotFoundError
from controller.service.devices import report_of
from controller.service.director import Director
from controller.service.groups import devices_in
from controller.service.library import Library
from controller.service.membership import Membership
from controller.service.planner import Planner
from controller.service.releases import check_signed, find
from controller.service.rollout_view import describe, progress_of, views
from controller.store import tables as t
from controller.store.records import Target, add, change, many, one, pushes_of, targets_of
from protocol import api
from protocol.errors import InputError, RefusedError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Order:
    """What a rollout is to do.

    Attributes:
        kind: `push`, `rollback` or `remove`.
        fits: Every device of the group.
        retry: Whether devices that gave the release up shall try again.
    """

    kind: str
    release: RowMapping
    group: str
    fits: list[Fit]
    plan: api.PushPlan
    observe: api.Observe = field(default_factory=api.Observe)
    timeout: int = 3600
    retry: bool = False


class Rollouts:
    """`fleet push`, `fleet rollback`, `fleet remove`, `fleet rollout`."""

    def __init__(
        self, context: Context, director: Director, library: Library, membership: Membership
    ) -> None:
        self._context = context
        self._director = director
        self._library = library
        self._membership = membership
        self._touched: set[str] = set()
        self._planner = Planner(context, library)

    def push(self, request: api.PushRequest) -> api.PushPlan | api.Started:
        """Move a group to a release, or say what that would mean.

        Raises:
            NotFoundError: unknown group or release.
            RefusedError: the release was withdrawn, is not signed by who may sign it now, or its interface
                differs from the running one's.
            InputError: the group is empty, or the release fits none of its devices.
        """
        with self._context.transaction() as tx:
            self._planner.members(tx, request.group)
            release = find(tx, request.model, request.version)
            if release["withdrawn"]:
                raise RefusedError(
                    f"{request.model} {request.version} was withdrawn",
                    remedy="push a newer version; fleet release list shows them",
                )
            check_signed(self._context.root, release)
            if not request.allow_interface_change:
                self._planner.check_interface(tx, request, release)
            fits = self._planner.fits(tx, request.group, release)
            plan = self._planner.plan(tx, request.group, release, fits)
            if request.dry_run:
                return plan
            if not any(item.target for item in fits):
                raise InputError(
                    f"{request.model} {request.version} fits no device of {request.group}",
                    where=f"{fits[0].device}: {fits[0].reason}",
                    remedy=f"fleet push {request.model} --group {request.group} --dry-run lists all reasons",
                )
            order = _Order(
                "push", release, request.group, fits, plan,
                observe=request.observe, timeout=request.timeout, retry=request.retry_failed,
            )  # fmt: skip
            return self._begin(tx, order)

    def rollback(self, request: api.RollbackRequest) -> api.Started:
        """Move a group back to the release it wanted before.

        Raises:
            NotFoundError: unknown group, or there was no release before.
            RefusedError: that one was withdrawn, or is not signed by who may sign it now.
        """
        with self._context.transaction() as tx:
            self._planner.members(tx, request.group)
            manifest = self._planner.previous(tx, request.group, request.model)
            release = one(tx, t.releases, manifest=manifest)
            if release is None or release["withdrawn"]:
                raise RefusedError(
                    f"the release of {request.model} before was withdrawn", remedy="push a newer version"
                )
            check_signed(self._context.root, release)
            fits = self._planner.fits(tx, request.group, release)
            plan = self._planner.plan(tx, request.group, release, fits)
            order = _Order(
                "rollback", release, request.group, fits, plan, observe=request.observe, retry=True
            )
            return self._begin(tx, order)

    def remove(self, request: api.RemoveRequest) -> api.Started:
        """Take a model off every device of a group.

        Raises:
            NotFoundError: unknown group, or it does not want the model.
        """
        with self._context.transaction() as tx:
            devices = self._planner.members(tx, request.group)
            history = pushes_of(tx, request.group, request.model)
            if not history or history[0]["manifest"] is None:
                raise NotFoundError(
                    f"{request.group} does not want {request.model}",
                    remedy="fleet group list shows what is wanted",
                )
            release = one(tx, t.releases, manifest=history[0]["manifest"])
            if release is None:
                raise NotFoundError(f"the release of {request.model} is unknown")
            fits = [
                Fit(name, self._planner.candidate(tx, name, request.model).online, "none", "is to be removed")
                for name in devices
            ]
            plan = self._planner.plan(tx, request.group, release, fits, removal=True)
            return self._begin(tx, _Order("remove", release, request.group, fits, plan))

    def _begin(self, tx: Connection, order: _Order) -> api.Started:
        context, now = self._context, self._context.clock()
        kind, release, group, observe = order.kind, order.release, order.group, order.observe
        model = release["model"]
        for row in many(tx, t.rollouts, group_name=group, model=model):
            if row["state"] in ("running", "paused"):
                self._save(tx, row, row["plan"], state="superseded", ended=now,
                           outcome=f"superseded by a newer {kind} of {model} to {group}")  # fmt: skip
        self._overrule(tx, order)
        gone = kind == "remove"
        push = add(
            tx, t.pushes, group_name=group, model=model, manifest=None if gone else release["manifest"],
            observe_inferences=observe.inferences, observe_seconds=observe.seconds, at=now,
        )  # fmt: skip
        if not gone:
            self._library.publish_roots()
            self._library.publish(tx, release["manifest"])
        document: dict[str, Any] = {
            "push": push, "kind": kind,
            "version": release["version"], "manifest": None if gone else release["manifest"],
            "timeout": order.timeout, "observe": observe.model_dump(), "retry": order.retry,
            "waves": [asdict(Wave(name, tuple(names))) for name, names in waves(order.fits)],
            "targets": {item.device: item.target for item in order.fits if item.target},
            "unfit": [device.model_dump() for device in order.plan.devices if device.target is None],
            "before": {},
        }  # fmt: skip
        document["before"] = {
            item.device: self._baseline(tx, item.device, model) for item in order.fits if item.target
        }
        number = add(
            tx,
            t.rollouts,
            group_name=group,
            model=model,
            state="running",
            revision=1,
            created=now,
            plan=document,
        )
        context.event(tx, None, kind, f"{kind} {number}: {model} {release['version']} to {group}")
        context.audit(
            tx, kind, f"{model} {release['version']} {'from' if gone else 'to'} {group}, rollout {number}"
        )
        self.step(tx, self._find(tx, number))
        return api.Started(rollout=number, plan=order.plan)

    def _overrule(self, tx: Connection, order: _Order) -> None:
        """Take the order's devices out of rollouts of the same model that other groups still wait for.

        In two groups the latest push wins: a wave that opens later must not undo it.
        """
        model, mine = order.release["model"], {item.device for item in order.fits if item.target}
        reason = f"{order.kind} of {model} to {order.group} came later"
        for row in many(tx, t.rollouts, model=model):
            if row["state"] not in ("running", "paused"):
                continue
            left = {name for wave in row["plan"]["waves"] for name in wave["devices"]} & mine
            if not left:
                continue
            plan = dict(row["plan"])
            plan["waves"] = [
                wave | {"devices": [name for name in wave["devices"] if name not in left]}
                for wave in plan["waves"]
            ]
            plan["unfit"] = plan["unfit"] + [
                api.PlannedDevice(
                    device=name, wave=None, target=plan["targets"].get(name), bytes=0,
                    online=bool(one(tx, t.devices, name=name, online=True)), reason=reason,
                ).model_dump()
                for name in sorted(left)
            ]  # fmt: skip
            self._save(tx, row, plan)

    def _baseline(self, tx: Connection, device: str, model: str) -> dict[str, Any]:
        row = one(tx, t.devices, name=device)
        report = report_of(row) if row is not None else None
        told = report.models.get(model) if report else None
        return {
            "p95": told.usage.p95_us if told and told.usage else None,
            "wanted": told.wanted.hex() if told and told.wanted else None,
            "received": told.received if told else 0,
        }

    def step_all(self) -> None:
        """Advance every running rollout, as time may have done."""
        with self._context.lock:
            self._advance(idle=True)

    def _advance(self, *, idle: bool) -> None:
        """Step running rollouts, each by itself: one that cannot go on must not hold the others up.

        Args:
            idle: Whether also those are stepped of whose devices none has said something.
        """
        touched, self._touched = self._touched, set()
        with self._context.transaction() as tx:
            running = many(tx, t.rollouts, state="running")
        for number, news in [(row["id"], not touched.isdisjoint(_devices(row))) for row in running]:
            if not news and not idle:
                continue
            try:
                with self._context.transaction() as tx:
                    row = self._find(tx, number)
                    if row["state"] == "running":
                        self.step(tx, row, news=news)
            except Exception:
                log.exception("rollout %d was not advanced", number)

    def step(self, tx: Connection, row: RowMapping, *, news: bool = True) -> None:
        """Advance one rollout, carry out what that decides, and wake who waits for it.

        Args:
            tx: The transaction.
            row: The rollout.
            news: Whether one of its devices has said something; without that and without a change of
                its own it keeps its revision.
        """
        now = self._context.clock()
        plan = dict(row["plan"])
        result = engine.step(progress_of(row), views(tx, row), now)
        release = one(tx, t.releases, manifest=plan["manifest"]) if plan["manifest"] else None
        if result.open and release is not None and release["withdrawn"]:
            gone = f"{row['model']} {plan['version']} was withdrawn"
            self._save(tx, row, plan, state="stopped", ended=now,
                       outcome=f"{gone}; devices already assigned go on")  # fmt: skip
            return
        while result.open:
            for name in result.open:
                self._open(tx, row, name)
            result = engine.step(result.progress, views(tx, row), now)
        plan["waves"] = [asdict(wave) for wave in result.progress.waves]
        if not news and result.progress == progress_of(row):
            return
        self._save(
            tx, row, plan, state=result.progress.state, ended=result.progress.ended,
            outcome=result.progress.outcome,
        )  # fmt: skip

    def _open(self, tx: Connection, row: RowMapping, device: str) -> None:
        plan, model = row["plan"], row["model"]
        if one(tx, t.devices, name=device) is None:
            return
        if plan["manifest"] is None:
            self._director.retarget(tx, device, model, None)
            self._context.event(tx, device, "assigned", f"rollout {row['id']} removes {model}")
            return
        old = targets_of(tx, device).get(model)
        attempt = old.attempt if old else 0
        if plan["retry"] and old is not None and old.manifest == plan["manifest"]:
            attempt += self._gave_up(tx, device, model, old.manifest)
        self._director.retarget(
            tx, device, model,
            Target(plan["manifest"], attempt, plan["observe"]["inferences"], plan["observe"]["seconds"]),
        )  # fmt: skip
        self._context.event(
            tx, device, "assigned",
            f"{plan['kind']} {row['id']} wants {model} {plan['version']} for {row['group_name']}",
        )  # fmt: skip

    def _gave_up(self, tx: Connection, device: str, model: str, manifest: str) -> bool:
        """Whether a device says that it has given a release up."""
        row = one(tx, t.devices, name=device)
        report = report_of(row) if row is not None else None
        told = report.models.get(model) if report else None
        return told is not None and told.state == "failed" and told.wanted == bytes.fromhex(manifest)

    def _save(self, tx: Connection, row: RowMapping, plan: dict[str, Any], **values: Any) -> None:
        if values.get("ended") is not None:
            # What devices do afterwards is no longer this rollout's doing.
            ended = describe(tx, {**row, **values, "plan": plan}, self._context.clock())
            plan = plan | {"final": ended.model_dump(mode="json", include={"devices", "waves"})}
        change(tx, t.rollouts, {"id": row["id"]}, plan=plan, revision=row["revision"] + 1, **values)
        if values.get("ended") and row["ended"] is None:
            self._context.event(
                tx, None, "rollout", f"rollout {row['id']} {values['state']}: {values['outcome']}"
            )
            group = one(tx, t.groups, name=row["group_name"])
            if values["state"] == "done" and plan["manifest"] is not None and group is not None:
                for name in devices_in(tx, row["group_name"]):
                    if name not in plan["targets"]:
                        self._membership.catch_up(tx, name)
            self._library.clear_unused(tx)
        self._context.changed.notify_all()

    def touch(self, device: str) -> None:
        """A device has said something; `catch_up` advances the rollouts it is in."""
        self._touched.add(device)

    def catch_up(self) -> None:
        """Advance the rollouts of devices that have said something; once, however many there are."""
        with self._context.lock:
            if not self._touched:
                return
            self._advance(idle=False)

    def act(self, number: int, action: str) -> api.Rollout:
        """Pause, resume, stop, or turn a rollout back.

        Raises:
            NotFoundError: there is no such rollout.
            ConflictError: it is not in a state for that.
        """
        with self._context.transaction() as tx:
            row = self._find(tx, number)
            moves = {"pause": ("running", "paused"), "resume": ("paused", "running")}
            if action == "back":
                request = api.RollbackRequest(model=row["model"], group=row["group_name"])
                return describe(tx, self._find(tx, self.rollback(request).rollout), self._context.clock())
            allowed = ("running", "paused") if action == "stop" else (moves[action][0],)
            if row["state"] not in allowed:
                raise ConflictError(f"rollout {number} is {row['state']}; it cannot {action}")
            self._context.audit(tx, action, f"rollout {number}")
            if action == "stop":
                self._save(tx, row, row["plan"], state="stopped", ended=self._context.clock(),
                           outcome="stopped by hand; devices already assigned go on")  # fmt: skip
            else:
                self._save(tx, row, row["plan"], state=moves[action][1])
                if action == "resume":
                    self.step(tx, self._find(tx, number))
            return describe(tx, self._find(tx, number), self._context.clock())

    def _find(self, tx: Connection, number: int) -> RowMapping:
        row = one(tx, t.rollouts, id=number)
        if row is None:
            raise NotFoundError(f"there is no rollout {number}", remedy="fleet rollout list")
        return row

    def get(self, number: int, after: int | None, wait: float) -> api.Rollout:
        """One rollout; with `after`, as soon as its revision is greater, at most `wait` seconds later."""
        with self._context.changed:
            if after is not None:
                self._context.changed.wait_for(
                    lambda: self._context.closing or self._revision(number) > after, timeout=wait
                )
            with self._context.transaction() as tx:
                return describe(tx, self._find(tx, number), self._context.clock())

    def _revision(self, number: int) -> int:
        with self._context.transaction() as tx:
            return int(self._find(tx, number)["revision"])

    def page(self, cursor: int | None, limit: int) -> api.RolloutPage:
        """Rollouts, newest first; `cursor` is the number to go on below."""
        with self._context.transaction() as tx:
            rows = [row for row in many(tx, t.rollouts) if cursor is None or row["id"] < cursor][::-1]
            items = [describe(tx, row, self._context.clock()) for row in rows[:limit]]
        return api.RolloutPage(items=items, next=str(items[-1].id) if len(rows) > limit else None)

    def recent(self, tx: Connection, since: int) -> list[api.Rollout]:
        """Those that run, or ended after `since`."""
        rows = [r for r in many(tx, t.rollouts) if r["ended"] is None or r["ended"] >= since]
        return [describe(tx, row, self._context.clock()) for row in rows[::-1]]


def _devices(row: RowMapping) -> set[str]:
    """Everyone in a rollout."""
    return {name for wave in row["plan"]["waves"] for name in wave["devices"]}

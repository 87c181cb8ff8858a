"""Pushes, rollbacks, removals, and what becomes of them."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, RowMapping

from controller.rollout import engine
from controller.rollout.engine import Progress, Step, View, Wave
from controller.rollout.plan import Candidate, Fit, fit, waves
from controller.service.context import ConflictError, Context, NotFoundError
from controller.service.devices import report_of
from controller.service.director import Director
from controller.service.groups import devices_in
from controller.service.library import Library
from controller.service.releases import find, manifest_of
from controller.store import tables as t
from controller.store.records import Target, add, change, many, one, pushes_of, targets_of
from protocol import api
from protocol.documents import ModelReport
from protocol.errors import InputError, RefusedError


class Rollouts:
    """`fleet push`, `fleet rollback`, `fleet remove`, `fleet rollout`."""

    def __init__(self, context: Context, director: Director, library: Library) -> None:
        self._context = context
        self._director = director
        self._library = library

    def push(self, request: api.PushRequest) -> api.PushPlan | api.Started:
        """Move a group to a release, or say what that would mean.

        Raises:
            NotFoundError: unknown group or release.
            RefusedError: the release was withdrawn, or its interface differs from the running one's.
            InputError: the group is empty, or the release fits none of its devices.
        """
        with self._context.lock, self._context.store.transaction() as tx:
            devices = self._members(tx, request.group)
            release = find(tx, request.model, request.version)
            if release["withdrawn"]:
                raise RefusedError(
                    f"{request.model} {request.version} was withdrawn",
                    remedy="push a newer version; fleet release list shows them",
                )
            if not request.allow_interface_change:
                self._check_interface(tx, request, release)
            fits = [fit(manifest_of(release), self._candidate(tx, name, request.model)) for name in devices]
            plan = self._plan(tx, request.group, release, fits)
            if request.dry_run:
                return plan
            if not any(item.target for item in fits):
                raise InputError(
                    f"{request.model} {request.version} fits no device of {request.group}",
                    where=f"{fits[0].device}: {fits[0].reason}",
                    remedy=f"fleet push {request.model} --group {request.group} --dry-run lists all reasons",
                )
            return self._begin(tx, "push", release, request.group, fits, request.observe, request.timeout,
                               retry=request.retry_failed, plan=plan)  # fmt: skip

    def rollback(self, request: api.RollbackRequest) -> api.Started:
        """Move a group back to the release it wanted before.

        Raises:
            NotFoundError: unknown group, or there was no release before.
            RefusedError: that one was withdrawn.
        """
        with self._context.lock, self._context.store.transaction() as tx:
            devices = self._members(tx, request.group)
            manifest = self._previous(tx, request.group, request.model)
            release = one(tx, t.releases, manifest=manifest)
            if release is None or release["withdrawn"]:
                raise RefusedError(
                    f"the release of {request.model} before was withdrawn", remedy="push a newer version"
                )
            fits = [fit(manifest_of(release), self._candidate(tx, name, request.model)) for name in devices]
            plan = self._plan(tx, request.group, release, fits)
            return self._begin(tx, "rollback", release, request.group, fits, request.observe, 3600,
                               retry=True, plan=plan)  # fmt: skip

    def remove(self, request: api.RemoveRequest) -> api.Started:
        """Take a model off every device of a group.

        Raises:
            NotFoundError: unknown group, or it does not want the model.
        """
        with self._context.lock, self._context.store.transaction() as tx:
            devices = self._members(tx, request.group)
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
                Fit(name, self._candidate(tx, name, request.model).online, "none", "is to be removed")
                for name in devices
            ]
            plan = self._plan(tx, request.group, release, fits, removal=True)
            return self._begin(tx, "remove", release, request.group, fits, api.Observe(), 3600,
                               retry=False, plan=plan)  # fmt: skip

    def _members(self, tx: Connection, group: str) -> list[str]:
        devices = devices_in(tx, group)
        if not devices:
            raise InputError(
                f"group {group} is empty", remedy=f"fleet group add {group} DEVICE …, or give it a --query"
            )
        return devices

    def _previous(self, tx: Connection, group: str, model: str) -> str:
        history = pushes_of(tx, group, model)
        now = history[0]["manifest"] if history else None
        for push in history[1:]:
            if push["manifest"] is not None and push["manifest"] != now:
                return str(push["manifest"])
        raise NotFoundError(
            f"{group} wanted no other release of {model} before",
            remedy=f"fleet push {model} --group {group} --version VERSION",
        )

    def _check_interface(self, tx: Connection, request: api.PushRequest, new: RowMapping) -> None:
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

    def _candidate(self, tx: Connection, name: str, model: str) -> Candidate:
        row = one(tx, t.devices, name=name)
        report = report_of(row) if row is not None else None
        told = report.models.get(model) if report else None
        return Candidate(
            name,
            bool(row and row["online"]),
            report.capabilities if report else None,
            told.running.version if told and told.running else None,
        )

    def _plan(
        self, tx: Connection, group: str, release: RowMapping, fits: list[Fit], *, removal: bool = False
    ) -> api.PushPlan:
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

    def _to_send(self, tx: Connection, item: Fit, release: RowMapping) -> int:
        """Bytes of the module that the device's installed release does not share."""
        from protocol import chunks  # noqa: PLC0415

        def listed(row: RowMapping, target: str) -> dict[bytes, int]:
            found = manifest_of(row).targets.get(target)
            if found is None:
                return {}
            fetch = lambda digest: self._context.blobs.get(digest.hex())  # noqa: E731
            index = chunks.read_index(found.index, fetch, target, found.size)
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

    def _begin(
        self, tx: Connection, kind: str, release: RowMapping, group: str, fits: list[Fit], observe: api.Observe,
        timeout: int, *, retry: bool, plan: api.PushPlan,
    ) -> api.Started:  # fmt: skip
        context, now = self._context, self._context.clock()
        model = release["model"]
        for row in many(tx, t.rollouts, group_name=group, model=model):
            if row["state"] in ("running", "paused"):
                self._save(tx, row, row["plan"], state="superseded", ended=now,
                           outcome=f"superseded by a newer {kind} of {model} to {group}")  # fmt: skip
        gone = kind == "remove"
        add(
            tx, t.pushes, group_name=group, model=model, manifest=None if gone else release["manifest"],
            observe_inferences=observe.inferences, observe_seconds=observe.seconds, at=now,
        )  # fmt: skip
        if not gone:
            self._library.publish_roots()
            self._library.publish(tx, release["manifest"])
        document: dict[str, Any] = {
            "kind": kind, "version": release["version"], "manifest": None if gone else release["manifest"],
            "timeout": timeout, "observe": observe.model_dump(), "retry": retry,
            "waves": [asdict(Wave(name, tuple(names))) for name, names in waves(fits)],
            "targets": {item.device: item.target for item in fits if item.target},
            "unfit": [device.model_dump() for device in plan.devices if device.target is None],
            "before": {},
        }  # fmt: skip
        document["before"] = {
            item.device: self._baseline(tx, item.device, model) for item in fits if item.target
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
        who = context.event
        who(tx, None, kind, f"{kind} {number}: {model} {release['version']} to {group}")
        row = one(tx, t.rollouts, id=number)
        if row is not None:
            self.step(tx, row)
        return api.Started(rollout=number, plan=plan)

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
        """Advance every running rollout."""
        with self._context.lock, self._context.store.transaction() as tx:
            for row in many(tx, t.rollouts, state="running"):
                self.step(tx, row)

    def step(self, tx: Connection, row: RowMapping) -> None:
        """Advance one rollout, carry out what that decides, and wake who waits for it."""
        now = self._context.clock()
        plan = dict(row["plan"])
        result = engine.step(_progress(row), self._views(tx, row), now)
        for name in result.open:
            self._open(tx, row, name)
        if result.open:
            result = Step(result.progress, (), engine.step(result.progress, self._views(tx, row), now).states)
        plan["waves"] = [asdict(wave) for wave in result.progress.waves]
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
            attempt += 1
        self._director.retarget(
            tx, device, model,
            Target(plan["manifest"], attempt, plan["observe"]["inferences"], plan["observe"]["seconds"]),
        )  # fmt: skip
        self._context.event(
            tx, device, "assigned",
            f"{plan['kind']} {row['id']} wants {model} {plan['version']} for {row['group_name']}",
        )  # fmt: skip

    def _views(self, tx: Connection, row: RowMapping) -> dict[str, View]:
        views = {}
        for wave in row["plan"]["waves"]:
            for name in wave["devices"]:
                device = one(tx, t.devices, name=name)
                if device is None:
                    continue
                report = report_of(device)
                views[name] = View(
                    online=device["online"],
                    converged=report is not None and report.generation >= device["generation"],
                    report=report.models.get(row["model"]) if report else None,
                )
        return views

    def _save(self, tx: Connection, row: RowMapping, plan: dict[str, Any], **values: Any) -> None:
        change(tx, t.rollouts, {"id": row["id"]}, plan=plan, revision=row["revision"] + 1, **values)
        if values.get("ended") and row["ended"] is None:
            self._context.event(
                tx, None, "rollout", f"rollout {row['id']} {values['state']}: {values['outcome']}"
            )
            self._library.clear_unused(tx)
        self._context.changed.notify_all()

    def touch(self, tx: Connection, device: str) -> None:
        """A device has said something: advance the rollouts it is in."""
        for row in many(tx, t.rollouts, state="running"):
            if any(device in wave["devices"] for wave in row["plan"]["waves"]):
                self.step(tx, row)

    def act(self, number: int, action: str) -> api.Rollout:
        """Pause, resume, stop, or turn a rollout back.

        Raises:
            NotFoundError: there is no such rollout.
            ConflictError: it is not in a state for that.
        """
        with self._context.lock, self._context.store.transaction() as tx:
            row = self._find(tx, number)
            moves = {"pause": ("running", "paused"), "resume": ("paused", "running")}
            if action == "back":
                request = api.RollbackRequest(model=row["model"], group=row["group_name"])
                return self._describe(tx, self._find(tx, self.rollback(request).rollout))
            allowed = ("running", "paused") if action == "stop" else (moves[action][0],)
            if row["state"] not in allowed:
                raise ConflictError(f"rollout {number} is {row['state']}; it cannot {action}")
            if action == "stop":
                self._save(tx, row, row["plan"], state="stopped", ended=self._context.clock(),
                           outcome="stopped by hand; devices already assigned go on")  # fmt: skip
            else:
                self._save(tx, row, row["plan"], state=moves[action][1])
                if action == "resume":
                    self.step(tx, self._find(tx, number))
            return self._describe(tx, self._find(tx, number))

    def _find(self, tx: Connection, number: int) -> RowMapping:
        row = one(tx, t.rollouts, id=number)
        if row is None:
            raise NotFoundError(f"there is no rollout {number}", remedy="fleet rollout list")
        return row

    def get(self, number: int, after: int | None, wait: float) -> api.Rollout:
        """One rollout; with `after`, as soon as its revision is greater, at most `wait` seconds later."""
        with self._context.changed:
            if after is not None:
                self._context.changed.wait_for(lambda: self._revision(number) > after, timeout=wait)
            with self._context.store.transaction() as tx:
                return self._describe(tx, self._find(tx, number))

    def _revision(self, number: int) -> int:
        with self._context.store.transaction() as tx:
            return int(self._find(tx, number)["revision"])

    def page(self, cursor: int | None, limit: int) -> api.RolloutPage:
        """Rollouts, newest first; `cursor` is the number to go on below."""
        with self._context.lock, self._context.store.transaction() as tx:
            rows = [row for row in many(tx, t.rollouts) if cursor is None or row["id"] < cursor][::-1]
            items = [self._describe(tx, row) for row in rows[:limit]]
        return api.RolloutPage(items=items, next=str(items[-1].id) if len(rows) > limit else None)

    def recent(self, tx: Connection, since: int) -> list[api.Rollout]:
        """Those that run, or ended after `since`."""
        rows = [r for r in many(tx, t.rollouts) if r["ended"] is None or r["ended"] >= since]
        return [self._describe(tx, row) for row in rows[::-1]]

    def _describe(self, tx: Connection, row: RowMapping) -> api.Rollout:
        plan, progress, views = row["plan"], _progress(row), self._views(tx, row)
        now = self._context.clock()
        devices, counted = [], []
        for number, wave in enumerate(progress.waves, 1):
            counts: Counter[str] = Counter()
            for name in wave.devices:
                state = engine.device_state(progress, wave, views.get(name), row["ended"] or now)
                counts[state] += 1
                devices.append(self._device(tx, plan, name, number, state, views.get(name)))
            counted.append(
                api.Wave(
                    number=number, name=wave.name, state=wave.state, devices=len(wave.devices),
                    counts=dict(counts), started=wave.started, ended=wave.ended,
                )
            )  # fmt: skip
        return api.Rollout(
            id=row["id"],
            revision=row["revision"],
            kind=plan["kind"],
            state=row["state"],
            model=row["model"],
            version=plan["version"],
            group=row["group_name"],
            created=row["created"],
            ended=row["ended"],
            waves=counted,
            devices=devices,
            unfit=plan["unfit"],
            sent=sum(device.received for device in devices),
            saved=sum(device.reused for device in devices),
            outcome=row["outcome"],
        )

    def _device(
        self, tx: Connection, plan: dict[str, Any], name: str, wave: int, state: api.DeviceState, view: View | None
    ) -> api.RolloutDevice:  # fmt: skip
        told: ModelReport | None = view.report if view else None
        before = plan["before"].get(name, {})
        about_this = bool(told and told.wanted and told.wanted.hex() == plan["manifest"])
        # A device that had the release before this rollout began fetched nothing for it.
        fetched = about_this and before.get("wanted") != plan["manifest"]
        usage = told.usage if told and about_this else None
        return api.RolloutDevice(
            device=name,
            wave=wave,
            state=state,
            online=bool(view and view.online),
            target=plan["targets"].get(name, ""),
            have=told.have if told and about_this else 0,
            size=told.size if told and about_this else 0,
            reused=told.reused if told and fetched else 0,
            received=told.received if told and fetched else 0,
            golden=told.golden if told and about_this else None,
            p95_us=usage.p95_us or None if usage else None,
            previous_p95_us=before.get("p95"),
            running=told.running.version if told and told.running else None,
            fault=told.fault if told and about_this else None,
        )


def _progress(row: RowMapping) -> Progress:
    plan = row["plan"]
    label = f"{row['model']} {plan['version']}" if plan["manifest"] else row["model"]
    return Progress(
        manifest=bytes.fromhex(plan["manifest"]) if plan["manifest"] else None,
        label=label,
        group=row["group_name"],
        created=row["created"],
        timeout=plan["timeout"],
        waves=tuple(Wave(**(wave | {"devices": tuple(wave["devices"])})) for wave in plan["waves"]),
        state=row["state"],
        ended=row["ended"],
        outcome=row["outcome"],
    )


def _interface(tensors: list[dict[str, Any]]) -> list[str]:
    """Name, the type people see, and shape of each tensor."""
    return [
        f"{x['name']} {'float32' if x['scale'] is not None else x['dtype']}{list(x['shape'])}"
        for x in tensors
    ]

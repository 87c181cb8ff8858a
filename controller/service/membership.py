"""Devices that come into a group receive what the group has settled on."""

from collections.abc import Iterator

from sqlalchemy import Connection, RowMapping

from controller.rollout.plan import Candidate, fit
from controller.service.context import Context
from controller.service.devices import find, report_of
from controller.service.director import Director
from controller.service.groups import groups_of
from controller.service.library import Library
from controller.service.releases import manifest_of
from controller.store import tables as t
from controller.store.records import Target, many, one, pushes_of, targets_of


class Membership:
    """Gives late comers what their groups want."""

    def __init__(self, context: Context, director: Director, library: Library) -> None:
        self._context = context
        self._director = director
        self._library = library

    def catch_up(self, tx: Connection, device: str) -> None:
        """Assign a device what its groups want of models and what no later push has overruled.

        A release counts once its rollout is done: nobody may come by a release around a gate that
        stopped it, or around a pause. Until then the one before it counts.
        """
        latest: dict[str, RowMapping] = {}
        for group in groups_of(tx, device):
            for push in self._settled(tx, group):
                if push["model"] not in latest or latest[push["model"]]["id"] < push["id"]:
                    latest[push["model"]] = push
        assigned = targets_of(tx, device)
        for model, push in latest.items():
            old = assigned.get(model)
            if old is None or newest_push(tx, model, old.manifest) < push["id"]:
                self._assign(tx, device, push)

    def _settled(self, tx: Connection, group: str) -> Iterator[RowMapping]:
        """For each model, the newest push of a group that settles what late comers receive."""
        states = {row["plan"]["push"]: row["state"] for row in many(tx, t.rollouts, group_name=group)}
        for model in sorted({row["model"] for row in many(tx, t.pushes, group_name=group)}):
            for push in pushes_of(tx, group, model):
                state = states.get(push["id"])
                if state in ("running", "paused") or push["manifest"] is None:
                    # It comes when the rollout is done; a removal asks nothing of late comers.
                    break
                release = one(tx, t.releases, manifest=push["manifest"])
                if state == "done" and release is not None and not release["withdrawn"]:
                    yield push
                    break

    def _assign(self, tx: Connection, device: str, push: RowMapping) -> None:
        row, release = find(tx, device), one(tx, t.releases, manifest=push["manifest"])
        if release is None:
            return
        report = report_of(row)
        candidate = Candidate(
            device, row["device_class"], row["online"], report.capabilities if report else None
        )
        chosen = fit(manifest_of(release), candidate)
        what = f"{push['group_name']} wants {release['model']} {release['version']}"
        if chosen.target is None:
            self._context.event(tx, device, "unfit", f"{what}, which does not fit: {chosen.reason}")
            return
        self._library.publish_roots()
        self._library.publish(tx, push["manifest"])
        self._context.event(tx, device, "assigned", what)
        target = Target(push["manifest"], 0, push["observe_inferences"], push["observe_seconds"])
        self._director.retarget(tx, device, release["model"], target)


def newest_push(tx: Connection, model: str, manifest: str) -> int:
    """Number of the newest push of a release to any group; 0 when there is none."""
    return max((row["id"] for row in many(tx, t.pushes, model=model, manifest=manifest)), default=0)

"""A rollout as the engine and as people see it."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from controller.rollout import engine
from controller.rollout.engine import Progress, View, Wave
from controller.service.devices import report_of
from controller.store.records import devices_named
from protocol import api
from protocol.documents import ModelReport


def views(tx: Connection, row: Mapping[Any, Any]) -> dict[str, View]:
    """What is known now of the devices of a rollout."""
    found = {}
    names = [name for wave in row["plan"]["waves"] for name in wave["devices"]]
    for name, device in devices_named(tx, names).items():
        report = report_of(device)
        found[name] = View(
            online=device["online"],
            converged=report is not None and report.generation >= device["generation"],
            report=report.models.get(row["model"]) if report else None,
        )
    return found


def describe(tx: Connection, row: Mapping[Any, Any], now: int) -> api.Rollout:
    """The resource; an ended rollout is shown as it was at its end."""
    plan, progress = row["plan"], progress_of(row)
    devices: list[api.RolloutDevice] = []
    counted: list[api.Wave] = []
    if "final" in plan:
        devices = [api.RolloutDevice.model_validate_json(json.dumps(d)) for d in plan["final"]["devices"]]
        counted = [api.Wave.model_validate(wave) for wave in plan["final"]["waves"]]
        return _resource(row, counted, devices)
    known = views(tx, row)
    for number, wave in enumerate(progress.waves, 1):
        counts: Counter[str] = Counter()
        for name in wave.devices:
            state = engine.device_state(progress, wave, known.get(name), row["ended"] or now)
            counts[state] += 1
            devices.append(_device(plan, name, number, state, known.get(name)))
        counted.append(
            api.Wave(
                number=number, name=wave.name, state=wave.state, devices=len(wave.devices),
                counts=dict(counts), started=wave.started, ended=wave.ended,
            )
        )  # fmt: skip
    return _resource(row, counted, devices)


def _resource(
    row: Mapping[Any, Any], counted: list[api.Wave], devices: list[api.RolloutDevice]
) -> api.Rollout:
    plan = row["plan"]
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
    plan: dict[str, Any], name: str, wave: int, state: api.DeviceState, view: View | None
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


def progress_of(row: Mapping[Any, Any]) -> Progress:
    """A stored rollout as the engine takes it."""
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

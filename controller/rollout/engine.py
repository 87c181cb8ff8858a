"""Stepping a rollout: from what devices report to what happens next. Pure; a clock is an argument."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from protocol.api import DeviceState, RolloutState
from protocol.documents import ModelReport

WaveState = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True)
class View:
    """What is known of a device now."""

    online: bool
    converged: bool
    """Whether it has reported the generation of its newest assignment."""
    report: ModelReport | None
    """About the model of the rollout."""


@dataclass(frozen=True)
class Wave:
    """Devices that move together."""

    name: str
    devices: tuple[str, ...]
    started: int | None = None
    ended: int | None = None
    failed: bool = False
    awaited: bool = False
    """Whether a device was online when it began, so that somebody can be expected to confirm."""

    @property
    def state(self) -> WaveState:
        """How far it is."""
        if self.failed:
            return "failed"
        if self.ended is not None:
            return "done"
        return "waiting" if self.started is None else "running"


@dataclass(frozen=True)
class Progress:
    """A rollout as far as the engine is concerned.

    Attributes:
        manifest: Digest of the release; None when the model is removed.
        timeout: Seconds after its wave's start at which an online device has failed.
    """

    manifest: bytes | None
    label: str
    group: str
    created: int
    timeout: int
    waves: tuple[Wave, ...]
    state: RolloutState = "running"
    ended: int | None = None
    outcome: str = ""


@dataclass(frozen=True)
class Step:
    """What one step decides."""

    progress: Progress
    open: tuple[str, ...] = ()
    """Devices whose turn it is: they are to be assigned the release."""
    states: Mapping[str, DeviceState] = field(default_factory=dict)


def device_state(progress: Progress, wave: Wave, view: View | None, now: int) -> DeviceState:
    """Where one device stands in the rollout."""
    if wave.started is None:
        return "waiting"
    if view is None:
        return "offline"
    report = view.report
    state: DeviceState = "assigned"
    # A failure reported before the newest assignment arrived is about an earlier attempt.
    told = ("fetching", "verifying", "loading", "testing", "observing", *(("failed",) * view.converged))
    if progress.manifest is None:
        state = "confirmed" if view.converged and report is None else "assigned"
    elif report is not None and report.wanted == progress.manifest:
        running = report.running is not None and report.running.manifest == progress.manifest
        if report.state == "confirmed" and running:
            state = "confirmed"
        elif report.state in told:
            state = report.state  # type: ignore[assignment]  # narrowed by the test above
    if state in ("confirmed", "failed"):
        return state
    if not view.online:
        return "offline"
    return "failed" if now - wave.started >= progress.timeout else state


def step(progress: Progress, views: Mapping[str, View], now: int) -> Step:
    """Advance a rollout as far as the reports allow.

    A wave ends when each of its devices is confirmed, failed or offline; devices that are offline catch
    up by themselves later. Two gates stop the rollout: a device of the wave failed, or none of a wave
    that others wait for has confirmed until the timeout although one was online when it began.
    What a wave's devices say counts from the step after the one that opened it.
    """
    opened: list[str] = []
    waves = list(progress.waves)
    for number, wave in enumerate(waves if progress.state == "running" else []):
        if wave.state == "done":
            continue
        if wave.state == "waiting":
            opened += wave.devices
            awaited = any(name in views and views[name].online for name in wave.devices)
            waves[number] = replace(wave, started=now, awaited=awaited)
            break
        states = Counter(device_state(progress, wave, views.get(name), now) for name in wave.devices)
        settled = states["confirmed"] + states["failed"] + states["offline"] == len(wave.devices)
        silent = wave.awaited and number + 1 < len(waves) and 0 < len(wave.devices) == states["offline"]
        if silent and now - (wave.started or now) < progress.timeout:
            break
        failed = settled and (states["failed"] > 0 or silent)
        waves[number] = replace(wave, ended=now if settled else None, failed=failed)
        if not settled or failed:
            break
    progress = replace(progress, waves=tuple(waves))
    states_now = {
        name: device_state(progress, wave, views.get(name), now) for wave in waves for name in wave.devices
    }
    return Step(_finish(progress, states_now, now), tuple(opened), states_now)


def _finish(progress: Progress, states: Mapping[str, DeviceState], now: int) -> Progress:
    if progress.state != "running":
        return progress
    counts = Counter(states.values())
    if any(wave.failed for wave in progress.waves):
        waiting = counts["waiting"]
        held = f"; {waiting} devices in later waves were left as they are" if waiting else ""
        if not counts["failed"]:
            stopped = next(wave.name for wave in progress.waves if wave.failed)
            return replace(
                progress,
                state="failed",
                ended=now,
                outcome=f'stopped by gate "silence": every device of wave {stopped} went offline, none '
                f"confirmed {progress.label} within {progress.timeout} s{held}",
            )
        return replace(
            progress,
            state="failed",
            ended=now,
            outcome=f"{counts['failed']} of {len(states)} devices could not take {progress.label}{held}",
        )
    if all(wave.state == "done" for wave in progress.waves):
        verb = "run" if progress.manifest else "have removed"
        late = f"; {counts['offline']} offline, they will catch up" if counts["offline"] else ""
        return replace(
            progress,
            state="done",
            ended=now,
            outcome=f"{counts['confirmed']} of {len(states)} devices {verb} {progress.label}{late}",
        )
    return replace(progress, outcome=f"{counts['confirmed']} of {len(states)} devices confirmed")

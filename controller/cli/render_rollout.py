"""A rollout on the screen: a bar for each wave, a line for each device that is worth one."""

from collections.abc import Mapping

from rich.text import Text

from controller.cli import text
from controller.cli.columns import Cell, Column, table
from controller.cli.terminal import NEEDS_YOU, PROGRESS, QUIET, SETTLED, STRONG
from protocol.api import PlannedDevice, PushPlan, Rollout, RolloutDevice, Wave

ORDER = (
    "confirmed", "observing", "testing", "loading", "verifying", "fetching", "assigned", "waiting",
    "offline", "failed",
)  # fmt: skip
STYLES: Mapping[str, str] = {
    "confirmed": SETTLED, "done": SETTLED, "failed": NEEDS_YOU, "stopped": NEEDS_YOU, "offline": QUIET,
    "waiting": QUIET, "superseded": QUIET, "paused": NEEDS_YOU,
}  # fmt: skip
BUSY = ("fetching", "verifying", "loading", "testing", "observing")
SHOWN_DEVICES = 8
WIDEST_BAR, NARROWEST_BAR = 26, 10


def style(state: str) -> str:
    """The colour of a state; what is not settled, waiting or bad is in progress."""
    return STYLES.get(state, PROGRESS)


def counts(states: Mapping[str, int]) -> Text:
    """`23 confirmed · 5 observing · 9 fetching · 4 offline`, nearest to the goal first."""
    parts = [Text(f"{states[state]} {state}", style(state)) for state in ORDER if states.get(state)]
    return Text(" · ").join(parts)


def bar(share: float, width: int, colour: str) -> Text:
    """A bar filled from the left."""
    full = min(width, int(share * width + 0.5))
    return Text.assemble(("█" * full, colour), ("░" * (width - full), QUIET))


def label(rollout: Rollout) -> str:
    """What the rollout is about: `crop-model 1.3.0`, or the model alone when it is removed."""
    return f"{rollout.model} {rollout.version}" if rollout.version else rollout.model


def waves(rollout: Rollout, width: int, now: float) -> list[Text]:
    """A bar for each wave."""
    return [_wave(rollout, wave, width, now) for wave in rollout.waves]


def screen(rollout: Rollout, width: int, now: float) -> Text:
    """The live part of `fleet push`: all waves, then the devices that are busy or have failed."""
    lines = waves(rollout, width, now)
    devices = _device_lines(rollout, width)
    if devices:
        lines += [Text(), *devices]
    return Text("\n").join(lines)


def _wave(rollout: Rollout, wave: Wave, width: int, now: float) -> Text:
    confirmed = wave.counts.get("confirmed", 0)
    name_width = max(len(_wave_name(other)) for other in rollout.waves)
    done_width = max(len(_done(other)) for other in rollout.waves)
    left = f"  {_wave_name(wave):<{name_width}}  {_done(wave):>{done_width}}  "
    right = _wave_state(rollout, wave, now)
    if wave.state == "waiting":
        return Text.assemble(left, right)
    share = confirmed / wave.devices if wave.devices else 1.0
    colour = SETTLED if wave.state == "done" else style(wave.state)
    room = width - len(left) - right.cell_len - 2
    if room >= NARROWEST_BAR:
        return Text.assemble(left, bar(share, min(WIDEST_BAR, room), colour), "  ", right)
    wide = min(WIDEST_BAR, width - len(left))
    return Text.assemble(left, bar(share, wide, colour), "\n    ", right)


def _wave_name(wave: Wave) -> str:
    return f"wave {wave.number} {wave.name}".rstrip()


def _done(wave: Wave) -> str:
    return f"{wave.counts.get('confirmed', 0)}/{wave.devices}"


def _wave_state(rollout: Rollout, wave: Wave, now: float) -> Text:
    if wave.state == "waiting":
        before = next((w for w in rollout.waves if w.number == wave.number - 1), None)
        return Text(f"waits for wave {before.number}" if before else "waits", QUIET)
    if wave.state != "done" or set(wave.counts) - {"confirmed"}:
        parts = [counts(wave.counts)]
    else:
        parts = [Text("confirmed", SETTLED), *_wave_health(rollout, wave)]
    if wave.started is not None:
        parts.append(Text(text.duration((wave.ended or now) - wave.started), QUIET))
    return Text("  ").join(parts)


def _wave_health(rollout: Rollout, wave: Wave) -> list[Text]:
    """`golden 4/4 · p95 0.41 ms (was 0.44)`: the worst device of the wave."""
    members = [device for device in rollout.devices if device.wave == wave.number]
    facts = []
    golden = [device.golden for device in members if device.golden]
    if golden:
        passed, of = min(golden)
        facts.append(f"golden {passed}/{of}")
    slowest = max((d for d in members if d.p95_us), key=lambda d: d.p95_us or 0, default=None)
    if slowest and slowest.p95_us:
        was = f" (was {slowest.previous_p95_us / 1000:.2f})" if slowest.previous_p95_us else ""
        facts.append(f"p95 {text.milliseconds(slowest.p95_us)}{was}")
    return [Text(" · ".join(facts))] if facts else []


def _device_lines(rollout: Rollout, width: int) -> list[Text]:
    failed = [device for device in rollout.devices if device.state == "failed"]
    busy = [device for device in rollout.devices if device.state in BUSY and device.online]
    shown = failed[:SHOWN_DEVICES] + busy[: max(2, SHOWN_DEVICES - len(failed))]
    hidden = len(failed) + len(busy) - len(shown)
    if not shown:
        return []
    rows: list[list[Cell]] = [
        [Text(device.state, style(device.state)), device.device, fact(device)] for device in shown
    ]
    lines = [table([Column(""), Column(""), Column("", wraps=True)], rows, width, indent=2)]
    if hidden:
        lines.append(Text(f"  and {hidden} more; fleet rollout show {rollout.id} lists all", QUIET))
    return lines


def fact(device: RolloutDevice) -> str:
    """What there is to say about one device beside its state."""
    if device.fault:
        went_on = f"; runs {device.running}" if device.running else ""
        return device.fault.text + went_on
    if device.state == "fetching" and device.size:
        there = f" ({text.size(device.reused)} were on the device already)" if device.reused else ""
        return f"{100 * device.have // device.size:3d} %  {text.part_of(device.have, device.size)}{there}"
    if device.golden:
        return f"golden {device.golden[0]}/{device.golden[1]}"
    return ""


def change_lines(before: Rollout | None, after: Rollout) -> list[str]:
    """What became different, as plain lines for a log."""
    old_waves = {wave.number: wave for wave in before.waves} if before else {}
    lines = []
    for wave in after.waves:
        old = old_waves.get(wave.number)
        if wave.state != "waiting" and (old is None or old.counts != wave.counts):
            lines.append(f"{_wave_name(wave)}  {_done(wave)}  {counts(wave.counts).plain}".rstrip())
    old_failed = {d.device for d in before.devices if d.state == "failed"} if before else set()
    lines += [
        f"failed  {device.device}  {fact(device)}".rstrip()
        for device in after.devices
        if device.state == "failed" and device.device not in old_failed
    ]
    if before and after.state == "paused" and before.state != "paused":
        lines.append(f"paused; fleet rollout resume {after.id} goes on")
    return lines


def ending(rollout: Rollout) -> Text:
    """The last line: how it ended, and what to do next where it ended badly."""
    if rollout.state == "done":
        return Text.assemble(("done: ", f"{STRONG} {SETTLED}"), _achieved(rollout))
    outcome = rollout.outcome.strip()
    word = "" if outcome.startswith(rollout.state) else f"{rollout.state}: "
    tail = "" if "fleet " in outcome else f" Next: fleet rollout show {rollout.id}"
    stop = "" if outcome.endswith((".", "!", "?")) or not tail else "."
    return Text.assemble((word, f"{STRONG} {style(rollout.state)}"), outcome, stop, tail)


def _achieved(rollout: Rollout) -> str:
    confirmed = sum(device.state == "confirmed" for device in rollout.devices)
    total = len(rollout.devices)
    took = text.duration((rollout.ended or rollout.created) - rollout.created)
    if rollout.kind == "remove":
        what = f"{confirmed} of {text.count(total)} devices have removed {rollout.model}"
    else:
        what = f"{confirmed} of {text.count(total)} devices run {label(rollout)}"
    lines = [f"{what} after {took}; {text.size(rollout.sent)} sent"]
    if rollout.saved:
        lines.append(f"{text.size(rollout.saved)} saved by chunks already there")
    offline = [device.device for device in rollout.devices if device.state == "offline"]
    said = ", ".join(lines)
    if offline:
        said += f"\n  offline, will catch up: {_names(offline)}"
    if rollout.unfit:
        said += f"\n  do not fit: {_names([device.device for device in rollout.unfit])}"
    return said


def _names(names: list[str]) -> str:
    most = 12
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def targets(devices: list[PlannedDevice]) -> str:
    """`388 simd · 20 mcu · 4 do not fit`."""
    chosen: dict[str, int] = {}
    for device in devices:
        key = device.target or "do not fit"
        chosen[key] = chosen.get(key, 0) + 1
    fits = sorted((key for key in chosen if key != "do not fit"), key=lambda key: -chosen[key])
    order = [*fits, *(["do not fit"] if "do not fit" in chosen else [])]
    return " · ".join(f"{chosen[key]} {key}" for key in order)


def plan(plan: PushPlan, width: int) -> Text:
    """`--dry-run`: what would be sent to whom."""
    rows = [
        [
            device.device,
            str(device.wave) if device.wave is not None else "-",
            device.target or Text("none", NEEDS_YOU),
            text.size(device.bytes) if device.target else "-",
            "online" if device.online else Text("offline", QUIET),
            device.reason,
        ]
        for device in plan.devices
    ]
    columns = [
        Column("DEVICE"), Column("WAVE", right=True), Column("MODULE"), Column("TO SEND", right=True),
        Column("LINK"), Column("NOTE", wraps=True),
    ]  # fmt: skip
    total = sum(device.bytes for device in plan.devices)
    fitting = sum(device.target is not None for device in plan.devices)
    verdict = (
        f"{plan.model} {plan.version} would go to {fitting} of {text.count(len(plan.devices))} devices "
        f"of {plan.group}: {text.size(plan.publish_bytes)} published once, {text.size(total)} received"
    )
    return Text("\n").join([table(columns, rows, width), Text(""), Text(verdict)])

"""What the dashboard shows: each view asks the controller, and sets its answer in lines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from rich.text import Text

from controller.cli import render_devices, render_rollout, render_status, rollouts, text, why
from controller.cli.columns import Cell, Column, set_rows
from controller.cli.terminal import NEEDS_YOU, STRONG
from controller.client import Client
from protocol import api


@dataclass(frozen=True)
class Goal:
    """What Enter on a line leads to, and what p, r and b are about."""

    kind: Literal["group", "device", "rollout"]
    name: str


@dataclass(frozen=True)
class Line:
    """One line of a view, or several that belong together."""

    text: Text
    goal: Goal | None = None


@dataclass(frozen=True)
class Picture:
    """One state of a view: a heading that stays, and lines that scroll."""

    heading: Text
    lines: Sequence[Line] = field(default_factory=list)


class View(Protocol):
    """A page of the dashboard."""

    @property
    def path(self) -> str:
        """Where one is, for the title."""
        ...

    @property
    def rollout(self) -> int | None:
        """The rollout the whole page is about."""
        ...

    def fetch(self, client: Client) -> Any:
        """Ask the controller; runs beside the screen."""
        ...

    def picture(self, answer: Any, width: int, now: float) -> Picture:
        """Set what `fetch` gave."""
        ...


def _section(
    columns: Sequence[Column], rows: Sequence[tuple[list[Cell], Goal | None]], width: int
) -> list[Line]:
    heading, lines = set_rows(columns, [row for row, _ in rows], width, indent=1)
    goals = [goal for _, goal in rows]
    head = [Line(heading)] if heading.plain.strip() else []
    return head + [Line(line, goal) for line, goal in zip(lines, goals, strict=True)]


@dataclass(frozen=True)
class Home:
    """The whole fleet; opens on what needs a person."""

    path: str = "fleet"
    rollout: int | None = None

    def fetch(self, client: Client) -> api.Status:
        """The status."""
        return client.status()

    def picture(self, answer: api.Status, width: int, now: float) -> Picture:
        """Attention, rollouts, groups."""
        del now
        lines: list[Line] = []
        if answer.attention:
            lines.append(Line(Text("needs you", f"{STRONG} {NEEDS_YOU}")))
            lines += _section(
                render_status.ATTENTION_COLUMNS,
                [
                    (render_status.attention_row(item, answer.at), Goal("device", item.device))
                    for item in answer.attention
                ],
                width,
            )
            lines.append(Line(Text()))
        if answer.rollouts:
            lines.append(Line(Text("rollouts", STRONG)))
            for rollout in answer.rollouts:
                goal = Goal("rollout", str(rollout.id))
                lines.append(Line(Text.assemble(" ", render_status.rollout_line(rollout)), goal))
                if rollout.state in ("running", "paused"):
                    lines += [Line(wave) for wave in render_rollout.waves(rollout, width, answer.at)]
            lines.append(Line(Text()))
        if answer.groups:
            lines += _section(
                render_status.GROUP_COLUMNS,
                [(render_status.group_row(line), Goal("group", line.group)) for line in answer.groups],
                width,
            )
        else:
            lines.append(Line(Text("no groups yet. Next: fleet group add NAME DEVICE…")))
        return Picture(render_status.totals(answer), lines)


@dataclass(frozen=True)
class GroupView:
    """The devices of a group."""

    name: str
    rollout: int | None = None

    @property
    def path(self) -> str:
        """The group's name."""
        return f"group {self.name}"

    def fetch(self, client: Client) -> tuple[api.Group, list[api.Device]]:
        """The group and its devices."""
        return client.group(self.name), client.devices(self.name)

    def picture(self, answer: tuple[api.Group, list[api.Device]], width: int, now: float) -> Picture:
        """A line for each device."""
        group, devices = answer
        wanted = " · ".join(f"{model} {version}" for model, version in sorted(group.wanted.items()))
        query = f"   query {group.query}" if group.query else ""
        heading = Text(f"{text.some(len(devices), 'device')}   wants {wanted or 'nothing'}{query}")
        rows: list[tuple[list[Cell], Goal | None]] = [
            (render_devices.row(device, now), Goal("device", device.name)) for device in devices
        ]
        return Picture(heading, _section(render_devices.COLUMNS, rows, width))


@dataclass(frozen=True)
class DeviceView:
    """One device, and why it runs what it runs."""

    name: str
    rollout: int | None = None

    @property
    def path(self) -> str:
        """The device's name."""
        return f"device {self.name}"

    def fetch(self, client: Client) -> tuple[api.Device, api.Why]:
        """The device and its story."""
        return client.device(self.name), client.why(self.name)

    def picture(self, answer: tuple[api.Device, api.Why], width: int, now: float) -> Picture:
        """Facts, then events."""
        device, reasons = answer
        body = Text("\n").join(
            [render_devices.one(device, width, now), Text(), why.render(reasons, width, now)]
        )
        heading = Text.assemble("is ", render_devices.state(device))
        return Picture(heading, [Line(line) for line in body.split("\n")])


@dataclass(frozen=True)
class RolloutView:
    """One rollout: its waves and all its devices, the open ones first."""

    number: int

    @property
    def path(self) -> str:
        """The rollout's number."""
        return f"rollout {self.number}"

    @property
    def rollout(self) -> int | None:
        """Itself."""
        return self.number

    def fetch(self, client: Client) -> api.Rollout:
        """The rollout."""
        return client.rollout(self.number)

    def picture(self, answer: api.Rollout, width: int, now: float) -> Picture:
        """Waves, outcome, devices."""
        heading = Text.assemble(
            f"{answer.kind} of {render_rollout.label(answer)} to {answer.group}   ",
            (answer.state, render_rollout.style(answer.state)),
        )
        lines = [Line(wave) for wave in render_rollout.waves(answer, width, answer.ended or now)]
        lines += [Line(Text()), Line(Text(answer.outcome)), Line(Text())]
        devices = sorted(answer.devices, key=lambda device: _urgency(device.state))
        rows: list[tuple[list[Cell], Goal | None]] = [
            (rollouts.device_row(device), Goal("device", device.device)) for device in devices
        ]
        rows += [
            ([d.device, "-", "does not fit", "-", d.reason], Goal("device", d.device)) for d in answer.unfit
        ]
        return Picture(heading, lines + _section(rollouts.DEVICE_COLUMNS, rows, width))


def _urgency(state: str) -> int:
    """Failed first, confirmed last."""
    return -render_rollout.ORDER.index(state) if state in render_rollout.ORDER else 0


VIEWS: dict[str, Callable[[str], View]] = {
    "group": GroupView,
    "device": DeviceView,
    "rollout": lambda name: RolloutView(int(name)),
}
"""What opens behind a goal."""

"""The fleet on one page, beginning with what needs a person."""

from rich.text import Text

from controller.cli import text
from controller.cli.columns import Cell, Column, table
from controller.cli.render_rollout import label, style
from controller.cli.terminal import NEEDS_YOU, PROGRESS, QUIET, SETTLED, STRONG
from protocol.api import Attention, GroupModel, Rollout, Status

SHOWN_ATTENTION = 12
GAP = 6
TIMES = "\N{MULTIPLICATION SIGN}"


def page(status: Status, width: int) -> Text:
    """`fleet status`."""
    parts = [heading(status, width)]
    if status.attention:
        parts += [Text("needs you", f"{STRONG} {NEEDS_YOU}"), attention(status, width)]
    parts.append(Text())
    if status.groups:
        parts.append(groups(status.groups, width))
    elif status.devices:
        parts.append(Text("no groups yet. Next: fleet group add NAME DEVICE…"))
    else:
        parts.append(Text("no devices yet. Next: fleet enroll NAME"))
    return Text("\n").join(parts)


def totals(status: Status) -> Text:
    """`412 devices · 405 online · 3 stale · 4 failed`."""
    parts = [
        Text(text.some(status.devices, "device")),
        Text(f"{text.count(status.online)} online", SETTLED if status.online == status.devices else ""),
    ]
    if status.stale:
        parts.append(Text(f"{text.count(status.stale)} stale", NEEDS_YOU))
    if status.failed:
        parts.append(Text(f"{text.count(status.failed)} failed", NEEDS_YOU))
    return Text(" · ").join(parts)


def heading(status: Status, width: int) -> Text:
    """The totals, and on the same line, where it fits, the rollout that runs."""
    left = Text.assemble(("fleet", STRONG), "  ", totals(status))
    lines = [rollout_line(rollout) for rollout in status.rollouts]
    if len(lines) == 1 and left.cell_len + GAP + lines[0].cell_len <= width:
        return Text.assemble(left, " " * GAP, lines[0])
    return Text("\n").join([left, *(Text.assemble("  ", line) for line in lines)])


def rollout_line(rollout: Rollout) -> Text:
    """`rollout 57: wave 2 of 3, 28 of 41 confirmed`."""
    name = f"rollout {rollout.id}: "
    if rollout.state not in ("running", "paused"):
        outcome = rollout.outcome or rollout.state
        known = "" if outcome.startswith(rollout.state) else f"{rollout.state}, "
        return Text.assemble(name, (known, style(rollout.state)), outcome)
    current = next((wave for wave in rollout.waves if wave.state == "running"), None)
    word = Text(f"{rollout.state}, " if rollout.state == "paused" else "", style(rollout.state))
    if current is None:
        return Text.assemble(name, word, label(rollout))
    confirmed = current.counts.get("confirmed", 0)
    return Text.assemble(
        name, word, f"wave {current.number} of {len(rollout.waves)}, ",
        (f"{confirmed} of {current.devices} confirmed", PROGRESS),
    )  # fmt: skip


def attention_row(item: Attention, now: int) -> list[Cell]:
    """Device, state, what it is, since when."""
    colour = QUIET if item.state == "offline" else NEEDS_YOU
    return [item.device, Text(item.state, colour), item.text, Text(text.ago(item.since, now), QUIET)]


ATTENTION_COLUMNS = (Column(""), Column(""), Column("", wraps=True), Column("", right=True))


def attention(status: Status, width: int) -> Text:
    """The devices that need a person."""
    rows = [attention_row(item, status.at) for item in status.attention[:SHOWN_ATTENTION]]
    shown = table(ATTENTION_COLUMNS, rows, width, indent=2)
    hidden = len(status.attention) - SHOWN_ATTENTION
    if hidden > 0:
        shown.append(f"\n  and {text.count(hidden)} more; fleet devices lists all", QUIET)
    return shown


def running(line: GroupModel) -> Text:
    """Versions and on how many devices, most frequent first; green where it is what is wanted."""
    versions = sorted(line.running.items(), key=lambda item: (-item[1], item[0]))
    parts = [
        Text(f"{version} {TIMES}{number}", SETTLED if version == line.wanted else PROGRESS)
        for version, number in versions
    ]
    return Text(" · ").join(parts) if parts else Text("none", QUIET)


def group_row(line: GroupModel) -> list[Cell]:
    """One line of the table."""
    return [
        line.group, text.count(line.devices), text.count(line.online), line.model or "-", running(line),
        line.wanted or "-", text.count(line.rate),
    ]  # fmt: skip


GROUP_COLUMNS = (
    Column("GROUP"), Column("DEVICES", right=True), Column("ONLINE", right=True), Column("MODEL"),
    Column("RUNNING", wraps=True), Column("WANTED"), Column("INFERENCES/S", right=True),
)  # fmt: skip


def groups(lines: list[GroupModel], width: int) -> Text:
    """A line for each group and model."""
    return table(GROUP_COLUMNS, [group_row(line) for line in lines], width)

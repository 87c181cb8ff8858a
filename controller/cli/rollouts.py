"""`fleet rollout`."""

import time
from typing import Annotated

import typer
from rich.text import Text

from controller.cli import render_rollout, text
from controller.cli.app import Command, family
from controller.cli.columns import Cell, Column, table
from controller.cli.follow import ENDED, Waiter, follow
from controller.cli.options import Json, Rollout
from controller.cli.terminal import answers, emit, say
from controller.client import Client
from controller.client.client import Action
from protocol import api

app = family("List, follow and steer rollouts.\n\nfleet rollout list")


@app.command("list", cls=Command)
def list_rollouts(
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="How many.")] = 20, json: Json = False
) -> None:
    """List rollouts, newest first.

    fleet rollout list
    """
    with Client.from_environment() as client:
        rollouts = client.rollouts(limit)
    if json:
        emit(rollouts)
        return
    if not rollouts:
        say("no rollouts yet. Next: fleet push MODEL --group GROUP")
        return
    now = time.time()
    rows: list[list[Cell]] = [
        [
            str(rollout.id),
            rollout.kind,
            render_rollout.label(rollout),
            rollout.group,
            Text(rollout.state, render_rollout.style(rollout.state)),
            f"{sum(device.state == 'confirmed' for device in rollout.devices)}/{len(rollout.devices)}",
            text.ago(rollout.created, now),
        ]
        for rollout in rollouts
    ]
    columns = [
        Column("ROLLOUT", right=True), Column("KIND"), Column("RELEASE", wraps=True), Column("GROUP"),
        Column("STATE"), Column("CONFIRMED", right=True), Column("BEGAN"),
    ]  # fmt: skip
    say(table(columns, rows, answers().width))


@app.command("show", cls=Command)
def show(
    rollout: Rollout,
    follow_it: Annotated[bool, typer.Option("--follow", "-f", help="Until it ends.")] = False,
    json: Json = False,
) -> None:
    """Show a rollout: its waves, and every device that is not yet confirmed.

    fleet rollout show 57 --follow
    """
    with Client.from_environment() as client:
        if follow_it:
            follow(Waiter(client, rollout), json=False, lines=json)
            return
        found = client.rollout(rollout)
    if json:
        emit(found)
    else:
        say(_full(found, answers().width, time.time()))


DEVICE_COLUMNS = (
    Column("DEVICE"), Column("WAVE", right=True), Column("STATE"), Column("RUNS"),
    Column("NOTE", wraps=True),
)  # fmt: skip


def device_row(device: api.RolloutDevice) -> list[Cell]:
    """The line of one device in a rollout."""
    return [
        device.device,
        str(device.wave),
        Text(device.state, render_rollout.style(device.state)),
        device.running or "-",
        render_rollout.fact(device),
    ]


def _full(rollout: api.Rollout, width: int, now: float) -> Text:
    began = f"rollout {rollout.id}  {rollout.kind} of {render_rollout.label(rollout)} to {rollout.group}"
    parts = [
        Text.assemble(
            began, "  ", (rollout.state, render_rollout.style(rollout.state)),
            f"  began {text.ago(rollout.created, now)}",
        ),
        render_rollout.screen(rollout, width, rollout.ended or now),
    ]  # fmt: skip
    open_devices = [device_row(device) for device in rollout.devices if device.state != "confirmed"]
    open_devices += [[d.device, "-", "does not fit", "-", d.reason] for d in rollout.unfit]
    if open_devices:
        parts += [Text(), table(DEVICE_COLUMNS, open_devices, width)]
    parts += [Text(), render_rollout.ending(rollout) if rollout.state in ENDED else Text(rollout.outcome)]
    return Text("\n").join(parts)


def _act(number: int, action: Action, json: bool) -> None:
    with Client.from_environment() as client:
        after = client.act(number, action)
    if json:
        emit(after)
    else:
        say(
            Text.assemble(
                f"rollout {number}  ", (after.state, render_rollout.style(after.state)), f"  {after.outcome}"
            )
        )


@app.command("pause", cls=Command)
def pause(rollout: Rollout, json: Json = False) -> None:
    """Let no further device begin; those that have begun go on.

    fleet rollout pause 57
    """
    _act(rollout, "pause", json)


@app.command("resume", cls=Command)
def resume(rollout: Rollout, json: Json = False) -> None:
    """Go on with a paused rollout.

    fleet rollout resume 57
    """
    _act(rollout, "resume", json)


@app.command("stop", cls=Command)
def stop(rollout: Rollout, json: Json = False) -> None:
    """End a rollout where it is; devices keep what they have.

    fleet rollout stop 57
    """
    _act(rollout, "stop", json)


@app.command("back", cls=Command)
def back(rollout: Rollout, json: Json = False) -> None:
    """End a rollout and take its devices back to what they ran before.

    fleet rollout back 57
    """
    _act(rollout, "back", json)

"""`fleet why`."""

import time

from rich.text import Text

from controller.cli import text
from controller.cli.columns import Cell, Column, table
from controller.cli.options import Device, Json
from controller.cli.terminal import QUIET, answers, emit, say
from controller.client import Client
from protocol import api


def render(why: api.Why, width: int, now: float) -> Text:
    """Summary, what happened, what would change it."""
    rows: list[list[Cell]] = [[Text(text.clock(event.at, now), QUIET), event.text] for event in why.events]
    parts = [Text(line) for line in why.summary]
    if rows:
        parts.append(table([Column(""), Column("", wraps=True)], rows, width, indent=2))
    if why.remedies:
        parts.append(Text(f"What would change it: {', or '.join(why.remedies)}"))
    return Text("\n").join(parts)


def why(device: Device, json: Json = False) -> None:
    """Say why a device runs what it runs, and what would change it.

    fleet why dev-1
    """
    with Client.from_environment() as client:
        answer = client.why(device)
    if json:
        emit(answer)
    else:
        say(render(answer, answers().width, time.time()))

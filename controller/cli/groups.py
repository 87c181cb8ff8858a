"""`fleet group`."""

from typing import Annotated

import typer
from rich.text import Text

from controller.cli import complete, text
from controller.cli.app import Command, family
from controller.cli.columns import Cell, Column, table
from controller.cli.options import GroupArgument, Json
from controller.cli.terminal import answers, emit, say
from controller.client import Client, make_request
from protocol import api
from protocol.errors import InputError

app = family("List and change groups of devices.\n\nfleet group add farm-a dev-1 dev-2")

Members = Annotated[
    list[str] | None, typer.Argument(help="Names of devices.", autocompletion=complete.devices)
]


def _say(group: api.Group, json: bool) -> None:
    if json:
        emit(group)
        return
    query = f"; query {group.query}" if group.query else ""
    named = ", ".join(group.devices[:12]) + (" …" if len(group.devices) > 12 else "")
    say(f"{group.name}  {text.some(len(group.devices), 'device')}{query}  {named}".rstrip())


@app.command("add", cls=Command)
def add(
    group: GroupArgument,
    devices: Members = None,
    query: Annotated[
        str | None, typer.Option("--query", help="Labels that devices must have: 'site=north kind=gateway'.")
    ] = None,
    json: Json = False,
) -> None:
    """Add devices to a group by name or by their labels; makes the group if need be.

    fleet group add farm-a --query 'site=north'

    Devices that join receive what the group wants.
    """
    change = make_request(api.GroupChange, add=devices or [], query=query)
    with Client.from_environment() as client:
        _say(client.change_group(group, change), json)


@app.command("remove", cls=Command)
def remove(
    group: GroupArgument,
    devices: Members = None,
    query: Annotated[bool, typer.Option("--query", help="Remove the query.")] = False,
    whole: Annotated[bool, typer.Option("--whole", help="Remove the group itself.")] = False,
    json: Json = False,
) -> None:
    """Take devices out of a group; they keep what they run.

    fleet group remove farm-a dev-2
    """
    if not (devices or query or whole):
        raise InputError(
            "nothing to remove", remedy=f"name devices, or fleet group remove {group} --query or --whole"
        )
    with Client.from_environment() as client:
        client.group(group)  # a change would make the group
        if not whole:
            change = make_request(api.GroupChange, remove=devices or [], query="" if query else None)
            _say(client.change_group(group, change), json)
            return
        client.delete_group(group)
    if json:
        emit({"group": group, "removed": True})
    else:
        say(f"group {group} is gone; its devices keep what they run")


@app.command("list", cls=Command)
def list_groups(json: Json = False) -> None:
    """List the groups, who is in them and what they should run.

    fleet group list
    """
    with Client.from_environment() as client:
        groups = client.groups()
    if json:
        emit(groups)
        return
    if not groups:
        say("no groups yet. Next: fleet group add NAME DEVICE…")
        return
    rows: list[list[Cell]] = [
        [
            group.name,
            text.count(len(group.devices)),
            " · ".join(f"{model} {version}" for model, version in sorted(group.wanted.items())) or "-",
            group.query or "-",
            Text(", ".join(group.members) or "-"),
        ]
        for group in groups
    ]
    columns = [
        Column("GROUP"), Column("DEVICES", right=True), Column("WANTED"), Column("QUERY"),
        Column("BY NAME", wraps=True),
    ]  # fmt: skip
    say(table(columns, rows, answers().width))

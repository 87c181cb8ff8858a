"""`fleet app`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from controller.cli import text
from controller.cli.app import Command, family
from controller.cli.columns import Cell, Column, table
from controller.cli.options import Json
from controller.cli.terminal import answers, emit, say
from controller.client import Client, make_request
from controller.client.identity import certificate_request, pem
from protocol import access, topics
from protocol.errors import InputError

app = family("Admit applications that ask devices over MQTT, list and remove them.\n\nfleet app list")

Name = Annotated[str, typer.Argument(help="Of the application: one for each running program.")]


@app.command("add", cls=Command)
def add(
    name: Name,
    days: Annotated[
        int, typer.Option("--days", min=1, max=3650, help="Until its certificate expires.")
    ] = 365,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Where to write; NAME.pem if not given."),
    ] = None,
    json: Json = False,
) -> None:
    """Admit an application to the broker: it may ask every device, and no more.

    fleet app add sorter

    Writes its key, its certificate and the fleet's authority to one file. The key
    is made here and sent nowhere.
    """
    key, csr = certificate_request()
    request = make_request(access.AppCreate, name=name, days=days, request=csr.hex())
    target = out or Path(f"{name}.pem")
    if target.exists():
        raise InputError(f"{target} exists already", remedy="remove it, or give another --out")
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {target.parent}", where="--out")
    with Client.from_environment() as client:
        made = client.create_app(request)
    _write(target, pem(key, made.credentials), name)
    if json:
        emit(made.model_dump(exclude={"credentials"}) | {"file": str(target)})
        return
    say(f"{name} may ask every device until {text.day(made.expires)}")
    say(f"  file      {target}: key, certificate and authority; readable by you only")
    say(f"  broker    {made.broker}")
    say(f"  ask       publish to    {topics.PREFIX}/d/DEVICE/infer/in")
    say(f"  answers   subscribe to  {topics.every_device('infer/out')}")
    say("One file for each running program: a second connection with it ends the first.")


def _write(path: Path, data: bytes, name: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    except OSError as error:
        raise InputError(
            f"{name} is admitted, but its key cannot be written: {error.strerror}",
            where=str(path),
            remedy=f"fleet app remove {name}, then add it again with another --out",
        ) from error


@app.command("list", cls=Command)
def list_apps(json: Json = False) -> None:
    """List the applications that the broker admits.

    fleet app list
    """
    with Client.from_environment() as client:
        apps = client.apps()
    if json:
        emit(apps)
    elif not apps:
        say("no applications. Next: fleet app add NAME")
    else:
        rows: list[list[Cell]] = [
            [item.name, text.day(item.created), text.day(item.expires)] for item in apps
        ]
        say(table([Column("APPLICATION"), Column("SINCE"), Column("UNTIL")], rows, answers().width))


@app.command("remove", cls=Command)
def remove(name: Name, json: Json = False) -> None:
    """Remove an application: its certificate is revoked, and the broker cuts it off.

    fleet app remove sorter
    """
    with Client.from_environment() as client:
        client.remove_app(name)
    if json:
        emit({"removed": name})
    else:
        say(f"{name} may ask no device any more")

"""`fleet token`."""

import os
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from controller.cli import text
from controller.cli.app import Command, family
from controller.cli.columns import Cell, Column, table
from controller.cli.options import Json
from controller.cli.terminal import answers, emit, say
from controller.client import Client, make_request
from protocol import access
from protocol.errors import InputError

app = family("Make, list and revoke tokens of people and programs.\n\nfleet token list")

_ROLES = "viewer: reads. operator: decides what runs where. release-manager: makes releases, too. owner: all."
Name = Annotated[str, typer.Argument(help="Of the token: who uses it.")]


@app.command("create", cls=Command)
def create(
    name: Name,
    role: Annotated[
        Literal["viewer", "operator", "release-manager", "owner"], typer.Option("--role", help=_ROLES)
    ] = "viewer",
    days: Annotated[int, typer.Option("--days", min=1, max=3650, help="Until it expires.")] = 365,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write the token here, not on the screen."),
    ] = None,
    json: Json = False,
) -> None:
    """Make a token; it is shown once, and the controller keeps only a digest.

    fleet token create alice --role operator -o alice.token
    """
    request = make_request(access.TokenCreate, name=name, role=role, days=days)
    with Client.from_environment() as client:
        made = client.create_token(request)
    if out is not None:
        _write(out, made.token)
    if json:
        emit(made if out is None else access.Token(**made.model_dump(exclude={"token"})))
        return
    say(f"{made.name} is {made.role} until {text.day(made.expires)}")
    if out is None:
        say(f"token, shown this once:  {made.token}")
    else:
        say(f"token in {out}, readable by you only. Its user: fleet login URL --token-file {out.name}")


def _write(path: Path, token: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InputError(
            f"cannot write {path.name}: {error.strerror}",
            where=str(path),
            remedy="the token is lost: revoke it, and create it again with another file",
        ) from error
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")


@app.command("list", cls=Command)
def list_tokens(json: Json = False) -> None:
    """List tokens: whose they are, what they may, when they were used.

    fleet token list
    """
    with Client.from_environment() as client:
        tokens = client.tokens()
    if json:
        emit(tokens)
        return
    if not tokens:
        say("no tokens but the owner's. Next: fleet token create NAME --role operator")
        return
    now = time.time()
    rows: list[list[Cell]] = [
        [
            token.name,
            token.role,
            "expired" if token.expires <= now else text.day(token.expires),
            text.ago(token.last_used, now) if token.last_used else "never",
        ]
        for token in tokens
    ]
    columns = [Column("TOKEN"), Column("ROLE"), Column("UNTIL"), Column("USED")]
    say(table(columns, rows, answers().width))


@app.command("revoke", cls=Command)
def revoke(name: Name, json: Json = False) -> None:
    """Revoke a token; the next request with it is refused.

    fleet token revoke alice
    """
    with Client.from_environment() as client:
        client.revoke_token(name)
    if json:
        emit({"revoked": name})
    else:
        say(f"the token {name} is revoked")

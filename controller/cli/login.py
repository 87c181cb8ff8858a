"""`fleet login`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.options import Json
from controller.cli.terminal import emit, say
from controller.client import Client
from controller.client.config import Endpoint, save_endpoint
from controller.client.transport import Transport
from protocol.errors import InputError


def login(
    url: Annotated[str, typer.Argument(help="Of the controller, for example https://fleet.example:7400.")],
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file", metavar="FILE", help="Holds the token; - is standard input. Else asked for."
        ),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option("--ca", metavar="FILE", help="PEM certificate to trust, instead of the system's."),
    ] = None,
    json: Json = False,
) -> None:
    """Remember a controller and your token for it.

    fleet login https://fleet.example:7400

    The token is asked for, or read from a file: never an argument, which every
    user of the machine can see.
    """
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{url!r} is not the address of a controller", remedy="https://HOST:PORT")
    endpoint = Endpoint(url.rstrip("/"), _token(token_file), ca.resolve() if ca else None)
    with Client(Transport(endpoint)) as client:
        who = client.me()
    kept = save_endpoint(endpoint)
    if json:
        emit({"controller": endpoint.url, "name": who.name, "role": who.role, "file": str(kept)})
    else:
        say(f"logged in at {endpoint.url} as {who.name}, {who.role}; kept in {kept}")


def _token(file: Path | None) -> str:
    if file is None:
        token: str = typer.prompt("token", hide_input=True, err=True)
        return token.strip()
    try:
        return (sys.stdin.read() if str(file) == "-" else file.read_text()).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InputError(f"cannot read the token: {reason}", where=str(file)) from error

"""`fleet status`."""

import sys
from typing import Annotated

import typer

from controller.cli.options import Json
from controller.cli.render_status import page
from controller.cli.terminal import answers, emit, say
from controller.client import Client


def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Live, full screen; q leaves.")] = False,
    json: Json = False,
) -> None:
    """Show how the fleet stands, beginning with what needs you.

    fleet status --watch
    """
    if watch and (json or not sys.stdout.isatty()):
        raise typer.BadParameter("needs a terminal; for programs: fleet status --json", param_hint="--watch")
    with Client.from_environment() as client:
        if watch:
            from controller.cli.watch.app import Dashboard  # noqa: PLC0415 - Textual is slow to import

            client.info()
            Dashboard(client).run()
            return
        found = client.status()
    if json:
        emit(found)
    else:
        say(page(found, answers().width))

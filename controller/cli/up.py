"""`fleet up`."""

from typing import Annotated

import typer

from controller.cli.keys import controller_data
from controller.cli.options import Data
from controller.cli.terminal import note


def up(
    data: Data = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Of the HTTP API.")] = 7400,
    mqtt_port: Annotated[
        int, typer.Option("--mqtt-port", min=1, max=65535, help="Of the embedded broker.")
    ] = 7401,
    broker: Annotated[
        str | None,
        typer.Option("--broker", metavar="URL", help="Use this broker, mqtt://host:port, and start none."),
    ] = None,
) -> None:
    """Run the controller and its broker until Ctrl-C.

    fleet up

    Writes client.json, with which the commands of the same user find it.
    """
    # The server's packages are for this command only.
    from controller.server import ServerInfo, run_server  # noqa: PLC0415

    def ready(server: ServerInfo) -> None:
        whose = "" if broker else " (embedded)"
        note(f"controller {server.url}, broker {server.broker}{whose}, data in {server.data}")
        note("ready; Ctrl-C stops it")

    note("starting the controller" + ("" if broker else " and its broker"))
    run_server(controller_data(data), port=port, mqtt_port=mqtt_port, broker=broker, on_ready=ready)

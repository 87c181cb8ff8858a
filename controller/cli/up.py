"""`fleet up`."""

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.key_folder import controller_data
from controller.cli.options import Data
from controller.cli.passphrases import Asker, PassphraseFile
from controller.cli.terminal import note
from protocol.errors import InputError


def up(
    data: Data = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Of the HTTP API.")] = 7400,
    mqtt_port: Annotated[
        int, typer.Option("--mqtt-port", min=1, max=65535, help="Of the embedded broker.")
    ] = 7401,
    broker: Annotated[
        str | None,
        typer.Option("--broker", metavar="URL", help="Use this broker, mqtt[s]://host:port, and start none."),
    ] = None,
    mqtt_tls: Annotated[
        bool, typer.Option("--mqtt-tls", help="The embedded broker asks devices for their certificates.")
    ] = False,
    mqtt_host: Annotated[
        str,
        typer.Option("--mqtt-host", metavar="ADDRESS", help="For the embedded broker; needs --mqtt-tls."),
    ] = "127.0.0.1",
    broker_reload: Annotated[
        str | None,
        typer.Option(
            "--broker-reload", metavar="COMMAND", help="Makes --broker read the folder access again."
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option("--host", metavar="ADDRESS", help="To listen on; others than this machine need TLS."),
    ] = "127.0.0.1",
    tls_cert: Annotated[
        Path | None,
        typer.Option("--tls-cert", metavar="FILE", help="PEM certificate of the HTTP API, with chain."),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", metavar="FILE", help="Its private key, PEM.")
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="How devices and desks reach the HTTP API.")
    ] = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Run the controller and its broker until Ctrl-C.

    fleet up

    Writes client.json, with which the commands of the same user find it.
    """
    # The server's packages are for this command only.
    from controller.server import ServerInfo, Tls, run_server  # noqa: PLC0415

    if (tls_cert is None) != (tls_key is None):
        raise InputError(
            "a certificate needs its key, and a key its certificate", where="--tls-cert, --tls-key"
        )

    def ready(server: ServerInfo) -> None:
        whose = "" if broker else " (embedded)"
        note(f"controller {server.url}, broker {server.broker}{whose}, data in {server.data}")
        note("ready; Ctrl-C stops it")

    note("starting the controller" + ("" if broker else " and its broker"))
    run_server(
        controller_data(data), port=port, mqtt_port=mqtt_port, broker=broker, host=host, public_url=url,
        tls=Tls(tls_cert, tls_key) if tls_cert and tls_key else None, keys=Asker(passphrase_file),
        mqtt_tls=mqtt_tls, mqtt_host=mqtt_host, broker_reload=broker_reload, on_ready=ready,
    )  # fmt: skip

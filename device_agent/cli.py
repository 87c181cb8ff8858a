"""`fleet-agent`: the commands of the device."""

import asyncio
import json
import logging
import os
import signal
import sys
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import typer

from protocol.errors import FleetError, InputError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Run models on this device as its fleet's controller wants. Example: fleet-agent run",
)  # fmt: skip


def _default_data() -> Path:
    if "FLEET_DATA" in os.environ:
        return Path(os.environ["FLEET_DATA"]) / "agent"
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(base) / "fleet/agent"


Data = Annotated[Path | None, typer.Option(help="Folder of this agent; default $XDG_DATA_HOME/fleet/agent.")]


@app.command()
def claim(
    invitation: Annotated[Path, typer.Argument(help="The file that fleet enroll wrote.")], data: Data = None
) -> None:
    """Redeem an invitation: fleet-agent claim gate-1.invite."""
    from device_agent.claim import claim as redeem  # noqa: PLC0415 - the other commands do not need it

    identity = redeem(invitation, data or _default_data())
    print(f"claimed {identity.device}, class {identity.device_class}. Next: fleet-agent run")  # noqa: T201


@app.command()
def run(  # noqa: PLR0913, PLR0917 - the options of a command
    data: Data = None,
    http: Annotated[str, typer.Option(help="HOST:PORT of the inference API.")] = "127.0.0.1:8080",
    broker: Annotated[str | None, typer.Option(help="mqtt://HOST:PORT instead of the claimed one.")] = None,
    memory: Annotated[int, typer.Option(min=1, help="Most memory of one model, MiB.")] = 512,
    telemetry: Annotated[float, typer.Option(min=0.1, help="Seconds between two telemetry messages.")] = 5.0,
    clock: Annotated[  # noqa: FBT002 - typer makes a pair of switches of it
        bool, typer.Option("--clock/--no-clock", help="Trust this machine's clock, or ask the controller.")
    ] = True,
) -> None:
    """Serve, fetch, test and switch until stopped: fleet-agent run --http 127.0.0.1:8080."""
    from device_agent.daemon import Daemon, Settings  # noqa: PLC0415 - heavy

    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    host, _, port = http.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise InputError(f"{http!r} is not HOST:PORT", remedy="--http 127.0.0.1:8080")
    settings = Settings(
        data or _default_data(), host, int(port), broker, memory << 20, telemetry_seconds=telemetry,
        has_clock=clock,
    )  # fmt: skip

    async def serve() -> None:
        daemon = Daemon(settings)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, daemon.stop)
        device = daemon.identity.device
        await daemon.run(lambda: logging.getLogger("fleet").info("%s serves http://%s/v2", device, http))

    asyncio.run(serve())


@app.command()
def status(
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,  # noqa: FBT002
) -> None:
    """Tell what runs here and what is wanted: fleet-agent status --json."""
    state = _ask_running(data or _default_data()) or _read_stored(data or _default_data())
    if as_json:
        print(json.dumps(state))  # noqa: T201
        return
    connected = "connected" if state.get("connected") else "not connected"
    running = connected if state["running"] else "not running"
    print(f"{state['device']}: {running}, generation {state['generation']}")  # noqa: T201
    for model, report in state["models"].items():
        slot = report.get("running") or {}
        fault = report.get("fault")
        text = f"  {fault['text']}" if fault else ""
        print(f"  {model}  {slot.get('version', 'nothing')}  {report['state']}{text}")  # noqa: T201


def _ask_running(data: Path) -> dict[str, Any] | None:
    try:
        address = json.loads((data / "agent.json").read_text())["http"]
        with urllib.request.urlopen(f"{address}/fleet/status", timeout=2) as answer:  # noqa: S310 - our own file
            result: dict[str, Any] = json.load(answer)
            return result
    except (OSError, ValueError, KeyError):
        return None


def _read_stored(data: Path) -> dict[str, Any]:
    """What the folder of an agent that is not running says."""
    from device_agent.identity import load  # noqa: PLC0415 - heavy
    from device_agent.slots.files import DiskFiles  # noqa: PLC0415
    from device_agent.slots.store import ModelSlots, stored_models  # noqa: PLC0415

    if not data.is_dir():
        raise InputError(f"there is no agent in {data}", remedy="fleet-agent claim NAME.invite")
    files = DiskFiles(data)
    identity, verifier = load(files, data)
    models = {}
    for model in stored_models(files):
        stored = ModelSlots(files, model).state
        slot = stored.slots.get(stored.active) if stored.active else None
        models[model] = {
            "state": "observing" if stored.trial else "confirmed" if slot else "idle",
            "running": slot.model_dump(mode="json") if slot else None,
            "fault": stored.given_up.fault.model_dump(mode="json") if stored.given_up else None,
        }
    return {
        "running": False, "device": identity.device, "generation": verifier.state.generation,
        "root": verifier.root.version, "models": models,
    }  # fmt: skip


def main() -> None:
    """Run a command; errors that a person meets are printed as such."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(arguments)
    except FleetError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)

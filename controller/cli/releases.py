"""`fleet release`."""

import time
from typing import Annotated

import typer
from rich.text import Text

from controller.cli import complete, release_sign, text, verify
from controller.cli.app import Command, family
from controller.cli.columns import Cell, Column, table
from controller.cli.options import Json, Model, Version
from controller.cli.signers import signer_names
from controller.cli.terminal import NEEDS_YOU, SETTLED, answers, emit, say
from controller.client import Client
from protocol import api
from protocol.module import TensorMeta

app = family("List, show, verify, sign and withdraw releases.\n\nfleet release list")
app.command("verify", cls=Command)(verify.verify)
app.command("sbom", cls=Command)(verify.sbom)
app.command("sign", cls=Command)(release_sign.sign)

ModelIfAny = Annotated[str | None, typer.Argument(help="Only of this model.", autocompletion=complete.models)]


def tensor(meta: TensorMeta) -> str:
    """`image int8[1,4,3,3] scale 0.0079 zero -1`."""
    shape = ",".join(map(str, meta.shape))
    scale = f" scale {meta.scale:.4g} zero {meta.zero_point}" if meta.scale is not None else ""
    return f"{meta.name} {meta.dtype}[{shape}]{scale}"


def _state(release: api.Release) -> Text:
    return Text("withdrawn", NEEDS_YOU) if release.withdrawn else Text("released", SETTLED)


@app.command("list", cls=Command)
def list_releases(model: ModelIfAny = None, json: Json = False) -> None:
    """List releases, newest first.

    fleet release list crop-model
    """
    with Client.from_environment() as client:
        releases = client.releases(model)
    if json:
        emit(releases)
        return
    if not releases:
        say("no releases" + (f" of {model}" if model else "") + " yet. Next: fleet push MODEL --group GROUP")
        return
    now = time.time()
    rows: list[list[Cell]] = [
        [
            f"{release.model} {release.version}",
            _state(release),
            text.ago(release.created, now),
            text.count(release.devices),
            Text(" · ").join(Text(f"{m.target} {text.size(m.size)}") for m in release.modules),
        ]
        for release in releases
    ]
    columns = [
        Column("RELEASE"), Column("STATE"), Column("MADE"), Column("DEVICES", right=True),
        Column("MODULES", wraps=True),
    ]  # fmt: skip
    say(table(columns, rows, answers().width))


@app.command("show", cls=Command)
def show(model: Model, version: Version, json: Json = False) -> None:
    """Show a release: its modules, interface, signatures and provenance.

    fleet release show crop-model 1.3.0
    """
    with Client.from_environment() as client:
        release = client.release(model, version)
    if json:
        emit(release)
    else:
        say(_full(release, answers().width, time.time()))


def _fact(name: str, value: str) -> list[Cell]:
    return [name, value]


def _full(release: api.Release, width: int, now: float) -> Text:
    facts: list[list[Cell]] = [
        _fact("signed by", signer_names(release.signers)),
        _fact("sequence", f"{release.sequence}, floor {release.floor}"),
        _fact("classes", ", ".join(release.classes)),
        *(
            [_fact("confidential", "encrypted for the devices it is assigned to")]
            if release.confidential
            else []
        ),
        *(_fact("in", tensor(meta)) for meta in release.inputs),
        *(_fact("out", tensor(meta)) for meta in release.outputs),
        _fact("runs on", text.some(release.devices, "device")),
        *(_fact(*item) for item in sorted(release.provenance.items())),
    ]
    modules: list[list[Cell]] = [
        [
            module.target, text.size(module.size), text.size(module.arena), text.macs(module.macs),
            text.size(module.memory), str(module.chunks), text.short(module.sha256),
        ]
        for module in release.modules
    ]  # fmt: skip
    columns = [
        Column("MODULE"), Column("SIZE", right=True), Column("ARENA", right=True),
        Column("WORK", right=True), Column("MEMORY", right=True), Column("CHUNKS", right=True),
        Column("DIGEST"),
    ]  # fmt: skip
    head = Text.assemble(
        f"{release.model} {release.version}  {text.short(release.manifest)}  ", _state(release),
        f"  made {text.ago(release.created, now)}",
    )  # fmt: skip
    return Text("\n").join(
        [
            head,
            table([Column(""), Column("", wraps=True)], facts, width, indent=2),
            Text(),
            table(columns, modules, width, indent=2),
        ]
    )


@app.command("withdraw", cls=Command)
def withdraw(model: Model, version: Version, json: Json = False) -> None:
    """Withdraw a release, so that it is never assigned again.

    fleet release withdraw crop-model 1.3.0

    Later releases raise the floor above it. Devices that run it go on; push another
    release to replace it.
    """
    with Client.from_environment() as client:
        release = client.withdraw(model, version)
    if json:
        emit(release)
        return
    running = (
        f"; {text.some(release.devices, 'device')} still run it. Next: fleet push {model} --group GROUP"
        if release.devices
        else ""
    )
    say(f"{model} {version} is withdrawn{running}")

"""`fleet keys`."""

from pathlib import Path
from typing import Annotated

import platformdirs
import typer
from rich.text import Text

from controller.cli import text
from controller.cli.app import Command, family
from controller.cli.columns import Column, table
from controller.cli.options import Data, Json
from controller.cli.terminal import SETTLED, answers, emit, say
from controller.client.config import config_folder
from controller.keys import KeyStore, MissingKeyError

app = family("Make and show the signing keys.\n\nfleet keys init")


def controller_data(data: Path | None) -> Path:
    """The controller's data folder: as given, else `$XDG_DATA_HOME/fleet/controller`."""
    return data or platformdirs.user_data_path("fleet", appauthor=False) / "controller"


def key_store() -> KeyStore:
    """The keys of this desk."""
    return KeyStore(config_folder() / "keys")


@app.command("init", cls=Command)
def init(
    data: Data = None,
    years: Annotated[int, typer.Option("--years", min=1, max=30, help="Until root 1 expires.")] = 10,
    json: Json = False,
) -> None:
    """Make the root, release and director keys, once for each fleet.

    fleet keys init

    The root and release keys stay with you; take the root key offline and keep a
    copy. The director's key goes to the controller's data folder. Nothing is ever
    overwritten.
    """
    home = controller_data(data)
    store = key_store()
    root = store.initialise(home, years=years)
    kept = store.stored()
    if json:
        emit(
            {
                "root": root.version,
                "expires": root.expires,
                "folder": str(store.folder),
                "director_folder": str(home),
                "roles": {name: [kid.hex() for kid in role.keys] for name, role in root.roles.items()},
                "keys": [key.name for key in kept],
            }
        )
        return
    say(
        Text.assemble(("made", SETTLED), f" root {root.version}, valid until {text.local(root.expires)}"),
        f"  {' and '.join(key.name for key in kept)} in {store.folder}",
        f"  director in {home}",
        "Take root.key offline. Next: fleet up",
    )


@app.command("show", cls=Command)
def show(json: Json = False) -> None:
    """Show which key may sign what, and which keys are on this desk.

    fleet keys show
    """
    store = key_store()
    root, kept = store.root(), store.stored()
    if root is None:
        raise MissingKeyError(
            "there are no keys on this desk", where=str(store.folder), remedy="fleet keys init"
        )
    names = {key.id: key.name for key in kept}
    if json:
        emit(
            {
                "root": root.version,
                "issued": root.issued,
                "expires": root.expires,
                "folder": str(store.folder),
                "roles": {
                    name: {
                        "threshold": role.threshold,
                        "keys": [{"id": kid.hex(), "here": names.get(kid)} for kid in role.keys],
                    }
                    for name, role in root.roles.items()
                },
            }
        )
        return
    rows = [
        [name, f"{role.threshold} of {len(role.keys)}", kid.hex(), names.get(kid, "not on this desk")]
        for name, role in root.roles.items()
        for kid in role.keys
    ]
    columns = [Column("ROLE"), Column("SIGNATURES"), Column("KEY"), Column("HERE AS", wraps=True)]
    say(
        f"root {root.version}, issued {text.local(root.issued)}, expires {text.local(root.expires)}",
        table(columns, rows, answers().width),
    )

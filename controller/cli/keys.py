"""`fleet keys`."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from controller.cli import key_changes, text
from controller.cli.app import Command, family
from controller.cli.columns import Cell, Column, table
from controller.cli.key_changes import Linux, thresholds
from controller.cli.key_folder import controller_data, key_store
from controller.cli.options import Data, Json
from controller.cli.passphrases import Asker, PassphraseFile, Plain
from controller.cli.signing_files import finish, host
from controller.cli.terminal import NEEDS_YOU, SETTLED, answers, emit, note, say
from controller.keys import KeyStore, StoredKey, initialise, token, write_new
from controller.keys.ceremony import Founding, found
from controller.keys.keyfile import token_text
from controller.keys.publickey import ALGORITHMS, public_text, read_public_key
from controller.keys.token import TokenPlace
from protocol.documents import Root
from protocol.errors import InputError
from protocol.keys import EDDSA, ES256, PublicKey, SoftwareKey

app = family("Make, show and change the signing keys, and who may sign what.\n\nfleet keys init")

Elsewhere = Annotated[
    Path | None,
    typer.Option("--data", help="Not on this desk, but in a controller's data folder.", show_default=False),
]
SOON = 90 * 86_400
"""Seconds before its end from which a root is called to mind."""
FORMS = {"plain": "not encrypted", "encrypted": "encrypted", "token": "in a token"}


@app.command("init", cls=Command)
def init(
    data: Data = None,
    years: Annotated[int, typer.Option("--years", min=1, max=30, help="Until root 1 expires.")] = 10,
    root: Annotated[
        list[Path] | None,
        typer.Option("--root", metavar="FILE.pub", help="A root key held elsewhere; may be repeated."),
    ] = None,
    release: Annotated[
        list[Path] | None,
        typer.Option("--release", metavar="FILE.pub", help="A release key held elsewhere; may be repeated."),
    ] = None,
    threshold: key_changes.Threshold = None,
    out: Annotated[Path, typer.Option("--out", help="Where root 1 waits for its signatures.")] = Path(
        "root-1.sign"
    ),
    linux_only: Linux = False,
    plain: Plain = False,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Make the root, release and director keys, once for each fleet.

    fleet keys init

    The root and release keys stay with you, under a passphrase; take the root
    key offline and keep a copy. The director's key goes to the controller's data
    folder. Nothing is ever overwritten. With --root the holders of these keys must
    sign root 1 first: fleet sign --offline.
    """
    home = controller_data(data)
    store = key_store(passphrase_file)
    passphrase = Asker(passphrase_file).new(plain=plain)
    if root or release:
        if not root:
            raise InputError(
                "--release without --root: the holders of the root keys sign the first root",
                remedy="fleet keys new ROOT-NAME on their machines, then --root FILE.pub",
            )
        holders = {"root": _publics(root)} | ({"release": _publics(release)} if release else {})
        plan = Founding(holders, thresholds(threshold), int(time.time()), years, linux_only, host())
        request = found(store, home, plan, passphrase)
        finish(store, request, home, out, json=json)
        return
    if threshold:
        raise InputError(
            "one root key cannot give several signatures",
            remedy="fleet keys new NAME for each holder, then fleet keys init --root NAME.pub …",
        )
    made = initialise(store, home, passphrase=passphrase, years=years)
    _tell_init(made, store, home, json=json)


def _publics(files: list[Path]) -> tuple[PublicKey, ...]:
    return tuple(read_public_key(path).public for path in files)


def _tell_init(root: Root, store: KeyStore, home: Path, *, json: bool) -> None:
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
        f"  {' and '.join(key.name for key in kept)} in {store.folder}, {FORMS[kept[0].form]}",
        f"  director in {home}",
        "Take root.key offline. Next: fleet up",
    )
    if kept[0].form == "plain":
        note("whoever reads the key files can sign. fleet keys protect encrypts them")


@app.command("new", cls=Command)
def new(
    name: Annotated[str, typer.Argument(help="What to call it, such as root-alice.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the public key goes.", show_default="NAME.pub")
    ] = None,
    pkcs11: Annotated[
        str | None,
        typer.Option("--pkcs11", metavar="LIBRARY", help="Make it in a token, reached through this library."),
    ] = None,
    token_label: Annotated[str | None, typer.Option("--token", help="Label of the token.")] = None,
    es256: Annotated[
        bool, typer.Option("--es256", help="For tokens without Ed25519; boards cannot verify it.")
    ] = False,
    existing: Annotated[
        bool, typer.Option("--existing", help="Take the key of that name that is in the token already.")
    ] = False,
    data: Elsewhere = None,
    plain: Plain = False,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Make one key on this machine, and its public half to be carried to the desk.

    fleet keys new root-alice

    The private key stays here, under a passphrase or in a PKCS#11 token. Give
    NAME.pub to fleet keys init --root, or to fleet keys rotate ROLE --key.
    """
    store = key_store(passphrase_file, data)
    path = store.path(name)
    public_file = out or Path(f"{name}.pub")
    if pkcs11 is None:
        if token_label or es256 or existing:
            raise InputError(
                "--token, --es256 and --existing are for keys in a token", remedy="--pkcs11 LIBRARY"
            )
        key = SoftwareKey.generate()
        public = key.public
        store.add(name, key, Asker(passphrase_file).new(plain=plain))
    else:
        if token_label is None:
            raise InputError("a key in a token needs the token's label", remedy="--token LABEL")
        place = TokenPlace(library=pkcs11, token=token_label, label=name)
        pin = Asker(passphrase_file).pin(token_label)
        if existing:
            public = token.find_in_token(place, pin)
        else:
            public = token.make_in_token(place, ES256 if es256 else EDDSA, pin)
        write_new(path, token_text(public, place), secret=True)
    write_new(public_file, public_text(name, public), secret=False)
    form = store.file(name).form
    if json:
        emit(
            {
                "key": name,
                "id": public.id.hex(),
                "algorithm": ALGORITHMS[public.algorithm],
                "form": form,
                "public": str(public_file),
            }
        )
        return
    say(
        Text.assemble(
            ("made", SETTLED),
            f" {name}, key {public.id.hex()}, {ALGORITHMS[public.algorithm]}, {FORMS[form]}",
        ),
        f"  private  {path}; keep a copy elsewhere"
        if pkcs11 is None
        else f"  private  in token {token_label}",
        f"  public   {public_file}; carry it to the desk, and read the id out to compare",
    )


@app.command("protect", cls=Command)
def protect(
    names: Annotated[list[str] | None, typer.Argument(help="Keys; all that are here unless given.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Take the encryption off.")] = False,
    new_file: Annotated[
        Path | None,
        typer.Option("--new-passphrase-file", metavar="FILE", help="Its first line is the new passphrase."),
    ] = None,
    data: Elsewhere = None,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Encrypt keys on this desk under a passphrase, or change it.

    fleet keys protect

    Copies of the old file stay as they were: in backups, and in what a disk has
    not overwritten yet.
    """
    store = key_store(passphrase_file, data)
    chosen = names or [key.name for key in store.stored() if key.form != "token"]
    passphrase = None if plain else Asker(new_file).new(plain=False)
    if passphrase is None and not plain:
        raise InputError("there is no terminal to ask for a passphrase", remedy="--new-passphrase-file FILE")
    for name in chosen:
        store.protect(name, passphrase)
    if json:
        emit({"keys": chosen, "form": "plain" if plain else "encrypted"})
    else:
        say(f"{', '.join(chosen)}: {FORMS['plain' if plain else 'encrypted']}")


@app.command("show", cls=Command)
def show(json: Json = False) -> None:
    """Show which key may sign what, and which keys are on this desk.

    fleet keys show
    """
    store = key_store()
    root, kept = store.root(), store.stored()
    if root is None and not kept:
        store.known_root()
    if json:
        emit(_show_json(store, root, kept))
        return
    rows = _listed(root, {key.id: key for key in kept}) if root else []
    spare = [key for key in kept if not key.roles]
    rows += [["-", "", key.id.hex(), ALGORITHMS[key.algorithm], *_kept(key)] for key in spare]
    columns = [
        Column("ROLE"), Column("SIGNATURES"), Column("KEY"), Column("KIND"), Column("HERE AS", wraps=True),
        Column("KEPT"),
    ]  # fmt: skip
    if root is not None:
        say(f"root {root.version}, issued {text.local(root.issued)}, expires {text.local(root.expires)}")
    else:
        say("no root is known here yet")
    say(table(columns, rows, answers().width))
    if spare and root is not None:
        say("- : no role in this root; an older one's, or waiting for the next")
    if root is not None and root.expires - time.time() < SOON:
        note(f"nothing is installed after root {root.version} expires; fleet keys rotate makes a newer one")


def _listed(root: Root, here: dict[bytes, StoredKey]) -> list[list[Cell]]:
    rows = []
    for name, role in root.roles.items():
        for kid in role.keys:
            key = here.get(kid)
            known: list[Cell] = _kept(key) if key else ["not on this desk", ""]
            rows.append(
                [name, f"{role.threshold} of {len(role.keys)}", kid.hex(), _algorithm(root, kid), *known]
            )
    return rows


def _kept(key: StoredKey) -> list[Cell]:
    return [key.name, Text(FORMS[key.form], NEEDS_YOU if key.form == "plain" else SETTLED)]


def _show_json(store: KeyStore, root: Root | None, kept: list[StoredKey]) -> dict[str, Any]:
    here = {key.id: key for key in kept}
    return {
        "root": root.version if root else None,
        "issued": root.issued if root else None,
        "expires": root.expires if root else None,
        "folder": str(store.folder),
        "roles": {name: _role_json(root, name, here) for name in root.roles} if root else {},
        "unlisted": [
            {"name": key.name, "id": key.id.hex(), "form": key.form} for key in kept if not key.roles
        ],
    }


def _algorithm(root: Root, kid: bytes) -> str:
    return ALGORITHMS[PublicKey.from_cose(root.keys[kid]).algorithm]


def _role_json(root: Root, name: str, here: dict[bytes, StoredKey]) -> dict[str, Any]:
    role = root.roles[name]
    return {
        "threshold": role.threshold,
        "keys": [
            {
                "id": kid.hex(),
                "algorithm": _algorithm(root, kid),
                "here": here[kid].name if kid in here else None,
                "form": here[kid].form if kid in here else None,
            }
            for kid in role.keys
        ],
    }


app.command("rotate", cls=Command)(key_changes.rotate)
app.command("revoke", cls=Command)(key_changes.revoke)

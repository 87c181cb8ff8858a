"""`fleet sign`."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from controller.cli.key_folder import controller_data, key_store
from controller.cli.options import Json
from controller.cli.passphrases import PassphraseFile, at_terminal
from controller.cli.render_signing import as_json, summary
from controller.cli.signing_files import contents, finish, names_here, read_request, write_request
from controller.cli.terminal import NEEDS_YOU, SETTLED, answers, emit, progress, say
from controller.keys import KeyStore, MissingKeyError, SigningRequest, StrangeRootError
from controller.keys.ceremony import keys_for
from protocol.errors import RefusedError


def sign(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="Written by fleet keys or fleet push.")
    ],
    offline: Annotated[
        bool, typer.Option("--offline", help="Show what is signed, sign it here, and touch no network.")
    ] = False,
    keys: Annotated[
        list[str] | None, typer.Option("--key", metavar="NAME", help="Sign with this key; may be repeated.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Sign without asking, after the summary was read elsewhere.")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="The data folder of a controller that does not run.", show_default=False),
    ] = None,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Sign what waits in a file; publish it once enough have signed.

    fleet sign --offline root-2.sign

    With --offline on the machine of whoever holds a key: shows everything that the
    signature stands for, asks, and writes the signature into the file. Without it,
    back at the desk: puts together what the copies of a file have collected, and
    publishes it when it is complete.
    """
    store = key_store(passphrase_file)
    request = read_request(files[0])
    for path in files[1:]:
        request = request.merge(read_request(path), str(path))
    if not offline:
        first = request.root is not None and request.root.version == 1
        finish(store, request, data or (controller_data(None) if first else None), files[0], json=json)
        return
    # Before anything is shown: a chain that is not the known one must not look like it.
    _check_chain(store, request)
    chosen = keys or keys_for(store, request)
    _explain(store, request, chosen, quiet=json)
    if not yes:
        ask_person(request)
    signed = request.sign([store.signer(name) for name in chosen])
    if signed == request:
        raise MissingKeyError(
            f"{', '.join(chosen)} may not sign {contents(request)}, or has done so already",
            where=str(files[0]),
            remedy="fleet keys show says which role a key has",
        )
    if request.root is not None:
        store.remember_signed(request.root.version, request.items[0].digest)
    write_request(files[0], signed)
    store.learn(request.roots)
    if json:
        emit(
            {"complete": signed.complete, "file": str(files[0]), "keys": chosen, "documents": as_json(signed)}
        )
        return
    rest = "it is complete" if signed.complete else "others must still sign it"
    say(
        Text.assemble(("signed", SETTLED), f" {contents(request)} with {', '.join(chosen)}; {rest}"),
        f"  carry {files[0].name} back: fleet sign {files[0].name}",
    )


def _check_chain(store: KeyStore, request: SigningRequest) -> None:
    """Hold a request to the roots that this machine knows.

    Raises:
        StrangeRootError: it comes from another fleet, or from this one's past.
    """
    store.compare(request.roots)
    newest = max(store.roots(), default=0)
    if len(request.roots) < newest:
        raise StrangeRootError(
            f"this file follows root {len(request.roots)}, and root {newest} is known here: "
            "what it asks for would be a second root of one number",
            remedy="fleet keys rotate at the desk makes one that follows the newest",
        )


def _explain(store: KeyStore, request: SigningRequest, chosen: list[str], *, quiet: bool) -> None:
    """Show what is signed, on stderr when stdout is for a program."""
    out = progress() if quiet else answers()
    for part in summary(request, names_here(store), out.width):
        out.print(part)
    newest = max(store.roots(), default=0)
    if newest:
        out.print(f"it follows from root {newest}, which this machine knows")
    elif request.roots:
        out.print("this machine knows no root of this fleet yet: compare the ids of the keys that stay")
    root = request.root
    others = set(store.signed(root.version)) - {request.items[0].digest} if root else set()
    if root and others:
        out.print(
            Text(
                f"another root {root.version} was signed here before, sha256 {', '.join(sorted(others))}: "
                "sign this one only if that one was never published",
                NEEDS_YOU,
            )
        )
    if not chosen:
        wanted = ", ".join(sorted(kid.hex() for kid in request.wanted()))
        raise MissingKeyError(
            f"no key on this machine can sign {contents(request)}",
            where=str(store.folder),
            remedy=f"it waits for {wanted}"
            if wanted
            else "nothing: it has all signatures; bring it back to the desk",
        )
    out.print(f"to sign with {', '.join(chosen)}")


def ask_person(request: SigningRequest) -> None:
    """Let a person say yes.

    Raises:
        RefusedError: they do not, or there is nobody.
    """
    if not at_terminal():
        raise RefusedError(
            "nobody is here to read this and say yes",
            remedy="run it at a terminal, or with --yes once the summary was read",
        )
    sys.stderr.write(f"sign {contents(request)}? type yes: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != "yes":
        raise RefusedError("nothing was signed")

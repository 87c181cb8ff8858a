"""`fleet release sign`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.key_folder import key_store
from controller.cli.options import Json, Model, Version
from controller.cli.passphrases import PassphraseFile
from controller.cli.render_signing import summary
from controller.cli.sign import ask_person
from controller.cli.signing_files import finish, host, items_of, names_here, newest_chain
from controller.cli.terminal import answers, say
from controller.client import Client
from controller.keys.ceremony import sign_here
from controller.keys.request import ask
from protocol.trust import read_root


def sign(
    model: Model,
    version: Version,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Where it waits for signatures.", show_default="MODEL-VERSION.sign"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking.")] = False,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Sign a release anew, with the release keys of the newest root.

    fleet release sign crop-model 1.3.0

    For what a revoked key had signed: look at it first. Its bytes, version and
    devices stay as they are; devices that refused it take it then.
    """
    store = key_store(passphrase_file)
    with Client.from_environment() as client:
        release = client.release(model, version)
        chain = newest_chain(store, client)
    request = ask(chain, None, items_of([release], read_root(chain[-1])), int(time.time()), host())
    if not json:
        for part in summary(request, names_here(store), answers().width):
            say(part)
    if request.wanted() and not yes:
        ask_person(request)
    signed = sign_here(store, request)
    finish(store, signed, None, out or Path(f"{model}-{version}.sign"), json=json)

"""Files that carry documents to be signed, and what becomes of them once enough have signed."""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from controller.cli import text
from controller.cli.render_signing import as_json
from controller.cli.terminal import PROGRESS, SETTLED, emit, say
from controller.client import Client
from controller.keys import KeyStore, SigningRequest
from controller.keys.ceremony import install
from controller.keys.files import read_public, replace
from protocol import api
from protocol.documents import Manifest


def host() -> str:
    """This machine, as a file to sign names it."""
    return socket.gethostname()[:64]


def read_request(path: Path) -> SigningRequest:
    """A file to sign.

    Raises:
        SigningError: it is damaged.
        KeyStoreError: it cannot be read.
    """
    return SigningRequest.read(read_public(path), str(path))


def write_request(path: Path, request: SigningRequest) -> None:
    """Keep a file to sign, over what is there.

    Raises:
        KeyStoreError: it cannot be written.
    """
    replace(path, request.encode(), secret=False)


def names_here(store: KeyStore) -> dict[str, str]:
    """Key ids, hexadecimal, to the names that they have on this machine."""
    return {key.id.hex(): key.name for key in store.stored()}


def manifests_of(releases: Sequence[api.Release]) -> list[bytes]:
    """Signed manifests, oldest release first."""
    return [bytes.fromhex(release.signed) for release in sorted(releases, key=lambda one: one.sequence)]


def deliver(store: KeyStore, request: SigningRequest, home: Path | None) -> None:
    """Give what is completely signed to whom it is for, and remember the new root.

    Manifests go first: until the new root is there devices accept them by their old signatures, and from
    then on by the new ones.

    Args:
        store: The desk's.
        request: Complete.
        home: Data folder of a controller that does not run; None: the controller is asked over HTTP.

    Raises:
        FleetError: the controller refuses or does not answer; the same again goes on from there.
    """
    manifests = [item.signed for item in request.items if item.kind == "manifest"]
    chain = [*request.roots, *(item.signed for item in request.items if item.kind == "root")]
    if home is None:
        with Client.from_environment() as client:
            for signed in manifests:
                client.register(signed)
            if request.root is not None:
                client.add_root(chain[-1])
    else:
        install(home, chain)
    store.learn(chain)


def finish(
    store: KeyStore,
    request: SigningRequest,
    home: Path | None,
    out: Path,
    *,
    json: bool,
    more: dict[str, Any] | None = None,
) -> None:
    """Publish a request that is complete, or write it for those who must still sign."""
    complete = request.complete
    if complete:
        deliver(store, request, home)
    else:
        write_request(out, request)
    if json:
        emit(
            {
                "complete": complete,
                "file": None if complete else str(out),
                "documents": as_json(request),
                **(more or {}),
            }
        )
        return
    if complete:
        where = f"put into {home}; the controller publishes it when it starts" if home else "published"
        say(Text.assemble(("signed", SETTLED), f" {contents(request)}, {where}"))
        return
    missing = max(need.missing for item in request.items for need in request.needs(item))
    say(
        Text.assemble(
            ("not signed yet", PROGRESS), f" {contents(request)}: {text.some(missing, 'signature')} missing"
        ),
        f"  carry {out} to whoever holds a key: fleet sign --offline {out.name}",
        f"  and bring it back: fleet sign {out.name}",
    )


def contents(request: SigningRequest) -> str:
    """`root 4 and 2 releases`."""
    root = request.root
    manifests = [Manifest.decode(item.payload) for item in request.items if item.kind == "manifest"]
    parts = [f"root {root.version}"] if root else []
    if len(manifests) == 1:
        parts.append(f"{manifests[0].model} {manifests[0].version}")
    elif manifests:
        parts.append(text.some(len(manifests), "release"))
    return " and ".join(parts)

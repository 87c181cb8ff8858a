"""Files that carry documents to be signed, and what becomes of them once enough have signed."""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from controller.cli import text
from controller.cli.render_signing import as_json, meaning
from controller.cli.terminal import PROGRESS, SETTLED, emit, note, say
from controller.client import Client
from controller.keys import KeyStore, MissingKeyError, SigningRequest
from controller.keys.ceremony import install, sign_here
from controller.keys.files import read_public, replace
from controller.keys.request import Item, signed_item
from controller.keys.store import ROOTS, chain_of, read_roots
from protocol import api, cose
from protocol.documents import MAX_MANIFEST, Manifest, Root
from protocol.errors import FleetError
from protocol.keys import PublicKey
from protocol.trust import MANIFEST


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


def newest_chain(store: KeyStore, client: Client | None, home: Path | None = None) -> list[bytes]:
    """The chain of roots as known here, and what another desk has added to it since; it is kept here.

    Args:
        store: The desk's.
        client: The controller, if it runs.
        home: Its data folder, if it does not.

    Raises:
        MissingKeyError: there is none.
        StrangeRootError: the controller's roots are not those of this desk.
    """
    known = store.roots()
    chain = chain_of(known)
    if client is not None:
        newest = client.info().root
        chain += [bytes.fromhex(client.root(number).root) for number in range(len(chain) + 1, newest + 1)]
    elif home is not None:
        chain = chain_of(read_roots(home / ROOTS) | known)
    if not chain:
        raise MissingKeyError(
            "there are no keys on this desk", where=str(store.folder), remedy="fleet keys init"
        )
    store.learn(chain)
    return chain


def releases_under(client: Client, root: Root) -> list[api.Release]:
    """Releases that may be installed under a root: not withdrawn, signed by enough of its release keys."""
    role = root.roles["release"]
    keys = {kid: PublicKey.from_cose(root.keys[kid]) for kid in role.keys}
    good = []
    for release in client.releases():
        signed = cose.parse(bytes.fromhex(release.signed), max_payload=MAX_MANIFEST)
        if not release.withdrawn and len(signed.signers(MANIFEST, keys)) >= role.threshold:
            good.append(release)
    return good


def items_of(releases: Sequence[api.Release], root: Root) -> list[Item]:
    """Releases to be signed again under or after `root`, the oldest first."""
    ordered = sorted(releases, key=lambda one: (one.model, one.sequence))
    return [signed_item(bytes.fromhex(release.signed), root) for release in ordered]


def _made_since(store: KeyStore, client: Client, request: SigningRequest) -> list[bytes]:
    """Releases that were made while the request waited, signed by the new keys if those are here.

    Raises:
        MissingKeyError: they are not; under the new root these releases could not be installed.
    """
    if not request.renew or request.newest is None:
        return []
    there = {item.digest for item in request.items}
    late = [one for one in releases_under(client, request.newest) if one.manifest not in there]
    if not late:
        return []
    items = (request.items[0], *items_of(late, request.newest))
    signed = sign_here(store, request.model_copy(update={"items": items}))
    if not signed.complete:
        names = ", ".join(f"{one.model} {one.version}" for one in late)
        raise MissingKeyError(
            f"{names} came while this waited, and the new release keys have not signed it",
            remedy="fleet keys rotate release again, or withdraw it first",
        )
    return [item.signed for item in signed.items[1:]]


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
            for signed in [*manifests, *_made_since(store, client, request)]:
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
        try:
            deliver(store, request, home)
        except FleetError:
            # The signatures are not lost: what is refused or interrupted can be brought again.
            write_request(out, request)
            note(f"kept as {out}; to publish it later: fleet sign {out}")
            raise
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
        if request.root is not None:
            say(*(f"  {line}" for line in meaning(request.newest, request.root)))
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

"""What is done with keys at a desk: beginning a fleet, changing its root, putting roots where they belong."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.keys.errors import KeysExistError, KeyStoreError, MissingKeyError
from controller.keys.files import replace, write_new
from controller.keys.keyfile import NO_SECRETS, Secrets, read_key
from controller.keys.request import SigningRequest, ask
from controller.keys.root import YEAR, first_root
from controller.keys.store import (
    DIRECTOR,
    NEXT_DIRECTOR,
    ROOTS,
    KeyStore,
    key_text,
    read_roots,
    write_all,
)
from protocol.documents import Root
from protocol.keys import PublicKey, SoftwareKey


def initialise(
    store: KeyStore,
    home: Path,
    *,
    passphrase: str | None = None,
    now: int | None = None,
    years: int = 10,
) -> Root:
    """Make the root, release and director keys, and root 1.

    The root and release keys stay at the desk; the director's key goes to the controller, and root 1 to both.

    Args:
        store: The desk's.
        home: The controller's data folder.
        passphrase: Encrypts the root and release keys; None leaves them plain.
        now: Seconds since 1970-01-01 UTC; the clock's time when None.
        years: Until root 1 expires.

    Raises:
        KeysExistError: any of the files exists; then nothing is changed.
        KeyStoreError: a file cannot be written; then none is left behind.
    """
    issued = int(time.time()) if now is None else now
    root, release, director = (SoftwareKey.generate() for _ in range(3))
    keys = {"root": (root.public,), "release": (release.public,), "director": (director.public,)}
    document = first_root(keys, {}, issued=issued, lifetime=years * YEAR)
    request = ask([], document, [], issued, "").sign([root])
    signed = request.items[0].signed
    write_all(
        {
            store.path("root"): (key_text(root, passphrase), True),
            store.path(store.free_name("release", issued)): (key_text(release, passphrase), True),
            home / DIRECTOR: (key_text(director, None), True),
            home / ROOTS / "1.cose": (signed, False),
            store.folder / ROOTS / "1.cose": (signed, False),
        }
    )
    return document


@dataclass(frozen=True)
class Founding:
    """What a fleet begins with, where others hold its keys.

    Attributes:
        holders: Public keys by role; release and director keys are made where none are given.
        thresholds: How many of a role must sign; 1 where nothing is said.
        issued: Now, seconds since 1970-01-01 UTC.
        years: Until root 1 expires.
        linux_only: Whether keys that boards cannot verify are welcome.
        by: This host.
    """

    holders: Mapping[str, Sequence[PublicKey]]
    thresholds: Mapping[str, int]
    issued: int
    years: int = 10
    linux_only: bool = False
    by: str = ""


def found(store: KeyStore, home: Path, plan: Founding, passphrase: str | None) -> SigningRequest:
    """Make root 1 of keys whose holders are elsewhere, to be signed by them.

    Release and director keys are made here unless they are given; the director's goes to `home`.

    Raises:
        KeysExistError: there are keys or roots already; then nothing is changed.
        RootChangeError: see `controller.keys.root`.
    """
    if store.roots() or read_roots(home / ROOTS):
        raise KeysExistError(
            "this fleet has a root already",
            where=str(store.folder),
            remedy="fleet keys rotate ROLE changes it; fleet keys show says who may sign what",
        )
    keys = {role: tuple(given) for role, given in plan.holders.items()}
    files: dict[Path, tuple[bytes, bool]] = {}
    if "release" not in keys:
        release = SoftwareKey.generate()
        keys["release"] = (release.public,)
        files[store.path(store.free_name("release", plan.issued))] = (key_text(release, passphrase), True)
    if "director" not in keys:
        director = SoftwareKey.generate()
        keys["director"] = (director.public,)
        files[home / DIRECTOR] = (key_text(director, None), True)
    document = first_root(
        keys, plan.thresholds, issued=plan.issued, lifetime=plan.years * YEAR, linux_only=plan.linux_only
    )
    write_all(files)
    return ask([], document, [], plan.issued, plan.by)


def next_director(home: Path, secrets: Secrets = NO_SECRETS) -> PublicKey:
    """The key that a controller will direct with under the next root; made if need be.

    It is kept as the present one is: plain, or under the same passphrase.

    Args:
        home: The controller's data folder.
        secrets: Gives the passphrase of the present key.

    Raises:
        KeyStoreError: it cannot be written; or the present one is in a token, where a person must make it.
    """
    path, present = home / NEXT_DIRECTOR, home / DIRECTOR
    if not path.exists():
        form = read_key(present).form if present.exists() else "plain"
        if form == "token":
            raise KeyStoreError(
                "the director's key is in a token, and so must be the next one",
                where=str(present),
                remedy=f"fleet keys new {path.stem} --data {home} --pkcs11 LIBRARY --token LABEL, "
                f"then fleet keys rotate director --key {path.stem}.pub",
            )
        passphrase = secrets.passphrase(present.stem) if form == "encrypted" else None
        key = SoftwareKey.generate()
        write_new(path, key_text(key, passphrase), secret=True)
    return read_key(path).public


def install(home: Path, chain: Sequence[bytes]) -> None:
    """Give a controller that does not run its roots; it takes the director's key that fits when it starts.

    Raises:
        KeyStoreError: one cannot be written.
    """
    for number, signed in enumerate(chain, 1):
        replace(home / ROOTS / f"{number}.cose", signed, secret=False)


def sign_here(store: KeyStore, request: SigningRequest) -> SigningRequest:
    """Add the signatures that keys of this desk may make.

    Raises:
        KeyStoreError: one cannot be unlocked.
    """
    for name in keys_for(store, request):
        request = request.sign([store.signer(name)])
    return request


def keys_for(store: KeyStore, request: SigningRequest) -> list[str]:
    """Names of the keys of this desk that may sign what still lacks signatures."""
    wanted = request.wanted()
    return [key.name for key in store.stored() if key.id in wanted]


def find_key(store: KeyStore, root: Root, word: str) -> bytes:
    """The id of a key that a root lists, by its id, the beginning of it, or its name here.

    Raises:
        MissingKeyError: the root lists none such, or several.
    """
    named = {key.name: key.id for key in store.stored()}
    listed = {kid for role in root.roles.values() for kid in role.keys}
    found = {
        kid for kid in listed if named.get(word) == kid or (len(word) >= 4 and kid.hex().startswith(word))
    }
    if len(found) == 1:
        return found.pop()
    raise MissingKeyError(
        f"root {root.version} lists {'several keys' if found else 'no key'} {word}",
        remedy="fleet keys show lists them; four digits of the id are enough where they are unique",
    )

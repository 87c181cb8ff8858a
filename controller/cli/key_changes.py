"""`fleet keys rotate` and `fleet keys revoke`: the next root."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import typer

from controller.cli.key_folder import key_store
from controller.cli.options import Json
from controller.cli.passphrases import Asker, PassphraseFile, Plain
from controller.cli.signing_files import finish, host, items_of, newest_chain, releases_under
from controller.cli.terminal import note
from controller.client import Client
from controller.keys import KeyStoreError, RoleChange, next_root
from controller.keys.ceremony import find_key, next_director, sign_here
from controller.keys.publickey import read_public_key
from controller.keys.request import Item, ask
from controller.keys.root import YEAR
from protocol import cbor
from protocol.documents import ROLES
from protocol.errors import InputError
from protocol.keys import PublicKey, SoftwareKey
from protocol.trust import read_root

Threshold = Annotated[
    list[str] | None,
    typer.Option("--threshold", metavar="ROLE=N", help="So many of its keys must sign; may be repeated."),
]
Linux = Annotated[
    bool, typer.Option("--linux-only", help="Allow ES256 keys: no board will ever be in the fleet.")
]
Years = Annotated[int, typer.Option("--years", min=1, max=30, help="Until the new root expires.")]
Home = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Data folder of a controller that does not run, to recover it.", show_default=False
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", help="Where the root waits for signatures.", show_default="root-N.sign"
    ),
]
Keys = Annotated[
    list[Path] | None,
    typer.Option("--key", metavar="FILE.pub", help="A key held elsewhere takes the place; may be repeated."),
]


@dataclass(frozen=True)
class Options:
    """What rotating and revoking have in common."""

    keys: tuple[PublicKey, ...]
    thresholds: Mapping[str, int]
    years: int
    out: Path | None
    home: Path | None
    linux_only: bool
    passphrase_file: Path | None
    plain: bool
    json: bool


def thresholds(words: list[str] | None) -> dict[str, int]:
    """`root=2` as {"root": 2}.

    Raises:
        InputError: not of that form.
    """
    found = {}
    for word in words or []:
        role, _, number = word.partition("=")
        if role not in ROLES or not number.isdecimal():
            raise InputError(f"{word!r} is not a role and a number", remedy="--threshold root=2")
        found[role] = int(number)
    return found


def rotate(
    roles: Annotated[list[str], typer.Argument(metavar="ROLE…", help="root, release or director.")],
    keys: Keys = None,
    add: Annotated[bool, typer.Option("--add", help="Keep the keys that are there, too.")] = False,
    threshold: Threshold = None,
    years: Years = 10,
    out: Out = None,
    data: Home = None,
    linux_only: Linux = False,
    plain: Plain = False,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Give roles new keys, by a new root.

    fleet keys rotate release

    Makes the keys (the director's at the controller, the others here) or takes
    those of --key. Root keys on this desk sign at once; if more must sign, the new
    root waits in a file for fleet sign --offline. Releases are signed by the new
    release key, too, before the new root goes out, so that running rollouts go on.
    """
    for role in roles:
        if role not in ROLES:
            raise InputError(f"there is no role {role!r}", remedy=f"the roles are {', '.join(ROLES)}")
    if keys and len(roles) != 1:
        raise InputError("--key is for one role", remedy="one role at a time")
    options = Options(
        tuple(read_public_key(path).public for path in keys or []), thresholds(threshold), years, out, data,
        linux_only, passphrase_file, plain, json,
    )  # fmt: skip
    with _Desk(options) as desk:
        drop = {} if add else {role: frozenset(desk.root.roles[role].keys) for role in roles}
        desk.change({role: drop.get(role, frozenset()) for role in roles}, resign="release" in roles)


def revoke(
    words: Annotated[list[str], typer.Argument(metavar="KEY…", help="Id, beginning of an id, or name.")],
    keys: Keys = None,
    threshold: Threshold = None,
    years: Years = 10,
    out: Out = None,
    data: Home = None,
    linux_only: Linux = False,
    plain: Plain = False,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Take keys out of their role, by a new root; devices refuse them from then on.

    fleet keys revoke 90abf2c1

    A role that would be left with too few keys gets a new one in the same step.
    What a revoked release key has signed is not signed anew: look at each release
    first, then fleet release sign MODEL VERSION. What runs goes on running.
    """
    options = Options(
        tuple(read_public_key(path).public for path in keys or []), thresholds(threshold), years, out, data,
        linux_only, passphrase_file, plain, json,
    )  # fmt: skip
    with _Desk(options) as desk:
        drop: dict[str, frozenset[bytes]] = {}
        for word in words:
            kid = find_key(desk.store, desk.root, word)
            role = next(name for name, role in desk.root.roles.items() if kid in role.keys)
            drop[role] = drop.get(role, frozenset()) | {kid}
        if keys and len(drop) != 1:
            raise InputError("--key is for one role", remedy="one role at a time")
        desk.change(drop, resign=False)


class _Desk:
    """The keys here, the chain of roots as the controller has it, and the next root."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.store = key_store(options.passphrase_file)
        self._client = None if options.home else Client.from_environment()
        self._chain = newest_chain(self.store, self._client, options.home)
        self.root = read_root(self._chain[-1])
        self._made: dict[str, SoftwareKey] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()

    def change(self, drop: Mapping[str, frozenset[bytes]], *, resign: bool) -> None:
        """Make the next root, sign what can be signed here, and publish it or let it wait.

        Args:
            drop: By role, the keys that go.
            resign: Whether releases in use shall be signed by the new release key, too.
        """
        options, now = self._options, int(time.time())
        changes = {
            role: RoleChange(self._replacements(role, gone, now), gone, options.thresholds.get(role))
            for role, gone in drop.items()
        } | {
            role: RoleChange(threshold=number)
            for role, number in options.thresholds.items()
            if role not in drop
        }
        root = next_root(
            self.root, changes, issued=now, lifetime=options.years * YEAR, linux_only=options.linux_only
        )
        out = options.out or Path(f"root-{root.version}.sign")
        if out.exists():
            raise KeyStoreError(f"{out} exists already", where=str(out), remedy="--out FILE, or move it away")
        self._keep_keys()
        manifests = self._manifests() if resign else []
        request = ask(self._chain, root, manifests, now, host()).model_copy(update={"renew": resign})
        request = sign_here(self.store, request)
        finish(
            self.store, request, options.home, out, json=options.json,
            more={"root": root.version, "made": list(self._made)},
        )  # fmt: skip

    def _replacements(self, role: str, gone: frozenset[bytes], now: int) -> tuple[PublicKey, ...]:
        if self._options.keys:
            return self._options.keys
        left = [kid for kid in self.root.roles[role].keys if kid not in gone]
        needed = self._options.thresholds.get(role, self.root.roles[role].threshold)
        rotating = not left or not gone
        return (self._make(role, now),) if rotating or len(left) < needed else ()

    def _make(self, role: str, now: int) -> PublicKey:
        """A new key for a role; it is kept once the root that lists it is found to be sound."""
        if role != "director":
            key = SoftwareKey.generate()
            self._made[self.store.free_name(role, now)] = key
            return key.public
        if self._client is None:
            return next_director(self._options.home or Path(), Asker(self._options.passphrase_file))
        return PublicKey.from_cose(cbor.decode(bytes.fromhex(self._client.next_director().public)))

    def _keep_keys(self) -> None:
        if self._made:
            options = self._options
            passphrase = Asker(options.passphrase_file).new(plain=options.plain)
            for name, key in self._made.items():
                self.store.add(name, key, passphrase)

    def _manifests(self) -> list[Item]:
        """Releases that may still be installed, if who may sign them now has signed them."""
        if self._client is None:
            note(
                "releases are not signed anew, since the controller does not run: later, "
                "fleet release sign MODEL VERSION"
            )
            return []
        good = releases_under(self._client, self.root)
        names = {(release.model, release.version) for release in good}
        for release in self._client.releases():
            if not release.withdrawn and (release.model, release.version) not in names:
                note(
                    f"{release.model} {release.version} is left out: the release keys of root "
                    f"{self.root.version} have not signed it"
                )
        return items_of(good, self.root)

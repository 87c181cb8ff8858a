"""The folder of the desk's keys: `<name>.key` files, and `roots/` with the whole chain of signed roots."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.keys import keyfile
from controller.keys.errors import KeysExistError, KeyStoreError, MissingKeyError, StrangeRootError
from controller.keys.files import read_public, replace, write_new
from controller.keys.keyfile import NO_SECRETS, Form, KeyFile, Secrets
from controller.keys.request import follow
from controller.keys.root import for_boards
from protocol.boards import check_signers
from protocol.documents import Root
from protocol.keys import EDDSA, Signer, SoftwareKey
from protocol.message import NAME_PATTERN
from protocol.trust import read_root

ROOTS, SIGNED = "roots", "signed"
DIRECTOR, NEXT_DIRECTOR = "director.key", "director-next.key"
"""The controller's key, and the one that a later root will list."""


@dataclass(frozen=True)
class StoredKey:
    """A private key on this desk, by its public half."""

    name: str
    id: bytes
    roles: tuple[str, ...]
    """Roles for which the newest root lists it."""
    form: Form
    """How its secret is kept."""
    algorithm: int


class KeyStore:
    """Reads and makes keys in one folder.

    Signing goes through `protocol.keys.Signer`, so that a key in an HSM can stand in for a file.

    Args:
        folder: Usually `$XDG_CONFIG_HOME/fleet/keys`.
        secrets: Where passphrases and PINs come from.
    """

    def __init__(self, folder: Path, secrets: Secrets = NO_SECRETS) -> None:
        self.folder = folder
        self._secrets = secrets

    # -- roots -----------------------------------------------------------------------------------

    def roots(self) -> dict[int, bytes]:
        """All signed roots known here by version; none before `fleet keys init`.

        Raises:
            KeyStoreError: one cannot be read.
        """
        return read_roots(self.folder / ROOTS)

    def root(self) -> Root | None:
        """The newest root known here.

        Raises:
            KeyStoreError: its file cannot be read.
            RefusedError: it is not a sound root.
        """
        roots = self.roots()
        return read_root(roots[max(roots)]) if roots else None

    def known_root(self) -> Root:
        """The newest root known here.

        Raises:
            MissingKeyError: there is none.
        """
        root = self.root()
        if root is None:
            raise MissingKeyError(
                "there are no keys on this desk", where=str(self.folder), remedy="fleet keys init"
            )
        return root

    def compare(self, chain: Sequence[bytes]) -> None:
        """Hold a chain of roots to those known here.

        Args:
            chain: Signed roots, the first one first.

        Raises:
            StrangeRootError: they are another fleet's: one is not what is known here under its number.
        """
        known = self.roots()
        for number, signed in enumerate(chain, 1):
            # By what they say: of one root there may be copies with more signatures or fewer.
            if number in known and read_root(signed) != read_root(known[number]):
                raise StrangeRootError(
                    f"root {number} is not the one known here: these are the roots of another fleet, "
                    "or somebody else has signed one",
                    where=str(self.folder / ROOTS),
                    remedy="compare fleet keys show here and on another desk of the fleet",
                )

    def learn(self, chain: Sequence[bytes]) -> None:
        """Keep the roots that follow those known here.

        Args:
            chain: Signed roots, the first one first; none is fine.

        Raises:
            StrangeRootError: they are another fleet's, or one does not follow the one before it.
            KeyStoreError: one cannot be written.
        """
        if chain:
            follow(chain)
        self.compare(chain)
        known = self.roots()
        for number, signed in enumerate(chain, 1):
            if number not in known:
                write_new(self.folder / ROOTS / f"{number}.cose", signed, secret=False)

    def signed(self, version: int) -> list[str]:
        """SHA-256 of the roots of a number that were signed here, whether they were ever published or not."""
        return sorted(
            path.stem.partition("-")[2] for path in (self.folder / SIGNED).glob(f"{version}-*.root")
        )

    def remember_signed(self, version: int, digest: str) -> None:
        """Keep in mind that a root was signed here.

        Raises:
            KeyStoreError: it cannot be written.
        """
        replace(self.folder / SIGNED / f"{version}-{digest}.root", b"", secret=False)

    # -- keys ------------------------------------------------------------------------------------

    def stored(self) -> list[StoredKey]:
        """All private keys here, by name; asks for no secret.

        Raises:
            KeyStoreError: one cannot be read.
        """
        root = self.root()
        stored = []
        for path in sorted(self.folder.glob("*.key")):
            key = keyfile.read_key(path)
            kid = key.public.id
            roles = tuple(name for name, role in root.roles.items() if kid in role.keys) if root else ()
            stored.append(StoredKey(path.stem, kid, roles, key.form, key.public.algorithm))
        return stored

    def signer(self, name: str) -> Signer:
        """The key of that name, unlocked.

        Raises:
            KeyStoreError: there is none, or it cannot be read or unlocked.
        """
        return self.file(name).unlock(self._secrets)

    def file(self, name: str) -> KeyFile:
        """The key of that name, as it lies there.

        Raises:
            KeyStoreError: there is none, or it cannot be read.
        """
        return keyfile.read_key(self.folder / f"{name}.key")

    def release_signers(self) -> Sequence[tuple[str, Signer]]:
        """As many (name, key) as the root's role `release` asks for, newest names first.

        Raises:
            MissingKeyError: fewer are on this desk.
            KeyMixError: those that are here do not suffice for boards.
        """
        root = self.known_root()
        here = [key for key in reversed(self.stored()) if "release" in key.roles]
        # Boards verify Ed25519 only; where there are none, the others will do.
        names = [key.name for key in sorted(here, key=lambda key: key.algorithm != EDDSA)]
        needed = root.roles["release"].threshold
        if len(names) < needed:
            raise MissingKeyError(
                f"root {root.version} asks for {needed} release signatures, "
                f"{len(names)} of its release keys are here",
                where=str(self.folder),
                remedy="fleet push MODEL --group GROUP --to-sign FILE lets others sign it; "
                "fleet keys show lists what is here and what the root wants",
            )
        chosen = names[:needed]
        if for_boards(root):
            check_signers(root, "release", {key.id for key in here if key.name in chosen})
        return [(name, self.signer(name)) for name in chosen]

    def add(self, name: str, key: SoftwareKey, passphrase: str | None) -> Path:
        """Keep a new key.

        Args:
            name: Of the key.
            key: The key.
            passphrase: Under which it is encrypted; None leaves it plain.

        Raises:
            KeysExistError: there is one of that name.
            PassphraseError: the passphrase is too short.
        """
        path = self.path(name)
        write_new(path, key_text(key, passphrase), secret=True)
        return path

    def protect(self, name: str, passphrase: str | None) -> None:
        """Encrypt a key anew, or leave it plain.

        Raises:
            KeyStoreError: it is in a token, or cannot be unlocked or written.
        """
        file = self.file(name)
        key = file.unlock(self._secrets)
        if not isinstance(key, SoftwareKey):
            raise KeyStoreError(f"{name} is in a token, whose PIN protects it", where=str(file.path))
        replace(file.path, key_text(key, passphrase), secret=True)

    def path(self, name: str) -> Path:
        """Where a key of that name is.

        Raises:
            KeyStoreError: it is no name.
        """
        check_key_name(name)
        return self.folder / f"{name}.key"

    def free_name(self, role: str, now: int) -> str:
        """A name for the next key of a role, such as `release-2026a`, then `release-2026b`."""
        year = time.gmtime(now).tm_year
        letters = "abcdefghijklmnopqrstuvwxyz"
        names = (f"{role}-{year}{first}{second}" for first in ("", *letters) for second in letters)
        return next(name for name in names if not self.path(name).exists())


def key_text(key: SoftwareKey, passphrase: str | None) -> bytes:
    """The contents of a key file, encrypted if there is a passphrase."""
    return keyfile.plain_text(key) if passphrase is None else keyfile.sealed_text(key, passphrase)


def check_key_name(name: str) -> None:
    """Refuse what could not be the name of a key.

    Raises:
        KeyStoreError: it is none.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise KeyStoreError(
            f"{name!r} is not a name for a key",
            remedy="use 1 to 63 of a-z, 0-9 and -, beginning with a letter or a digit",
        )


def write_all(files: Mapping[Path, tuple[bytes, bool]]) -> None:
    """Create all these files, given as (contents, secret), or none.

    Raises:
        KeysExistError: any of them exists; then nothing is changed.
        KeyStoreError: one cannot be written; then none is left behind.
    """
    for path in files:
        if path.exists():
            raise KeysExistError(
                f"{path.name} exists already; keys are never overwritten",
                where=str(path),
                remedy="fleet keys show, or move the old keys away first",
            )
    made: list[Path] = []
    try:
        for path, (data, secret) in files.items():
            write_new(path, data, secret=secret)
            made.append(path)
    except KeyStoreError:
        for path in made:
            path.unlink(missing_ok=True)
        raise


def read_roots(folder: Path) -> dict[int, bytes]:
    """Signed roots by version, from files `<version>.cose`.

    Raises:
        KeyStoreError: one cannot be read.
    """
    paths = [path for path in folder.glob("*.cose") if path.stem.isdecimal()]
    return {int(path.stem): read_public(path) for path in sorted(paths, key=lambda path: int(path.stem))}


def chain_of(roots: Mapping[int, bytes]) -> list[bytes]:
    """Roots by version as a chain, the first one first.

    Raises:
        StrangeRootError: one is missing.
    """
    for number in range(1, len(roots) + 1):
        if number not in roots:
            raise StrangeRootError(
                f"root {number} is missing from the chain", remedy="take it from the controller, or a backup"
            )
    return [roots[number] for number in sorted(roots)]

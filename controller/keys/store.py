"""The folder of the desk's keys: `<name>.key` files and the newest signed root."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.keys.errors import KeysExistError, KeyStoreError, MissingKeyError
from controller.keys.files import read_seed, write_new
from controller.keys.root import YEAR, make_root
from protocol.documents import Root
from protocol.keys import Signer, SoftwareKey
from protocol.trust import read_root

ROOT_FILE = "root.cose"


@dataclass(frozen=True)
class StoredKey:
    """A private key on this desk, by its public half."""

    name: str
    id: bytes
    roles: tuple[str, ...]
    """Roles for which the newest root lists it."""


class KeyStore:
    """Reads and makes keys in one folder.

    Signing goes through `protocol.keys.Signer`, so that a key in an HSM can stand in for a file.

    Args:
        folder: Usually `$XDG_CONFIG_HOME/fleet/keys`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def initialise(self, director_home: Path, *, now: int | None = None, years: int = 10) -> Root:
        """Make the root, release and director keys, and root 1.

        The root and release keys stay here; the director's key and root 1 go to the controller.

        Args:
            director_home: The controller's data folder.
            now: Seconds since 1970-01-01 UTC; the clock's time when None.
            years: Until root 1 expires.

        Raises:
            KeysExistError: any of the files exists; then nothing is changed.
            KeyStoreError: a file cannot be written; then none is left behind.
        """
        issued = int(time.time()) if now is None else now
        root, release, director = (SoftwareKey.generate() for _ in range(3))
        others = {"release": release.public, "director": director.public}
        signed = make_root(root, others, issued=issued, lifetime=years * YEAR)
        year = time.gmtime(issued).tm_year
        files: list[tuple[Path, bytes, bool]] = [
            (self.folder / "root.key", _seed_text(root), True),
            (self.folder / f"release-{year}a.key", _seed_text(release), True),
            (director_home / "director.key", _seed_text(director), True),
            (director_home / "roots" / "1.cose", signed, False),
            (self.folder / ROOT_FILE, signed, False),
        ]
        for path, _, _ in files:
            if path.exists():
                raise KeysExistError(
                    f"{path.name} exists already; keys are never overwritten",
                    where=str(path),
                    remedy="fleet keys show, or move the old keys away first",
                )
        made: list[Path] = []
        try:
            for path, data, secret in files:
                write_new(path, data, secret=secret)
                made.append(path)
        except KeyStoreError:
            for path in made:
                path.unlink(missing_ok=True)
            raise
        return read_root(signed)

    def root(self) -> Root | None:
        """The newest root known here; None before `fleet keys init`.

        Raises:
            KeyStoreError: the file cannot be read.
            RefusedError: it is not a sound root.
        """
        path = self.folder / ROOT_FILE
        try:
            return read_root(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise KeyStoreError(f"cannot read {path.name}: {error.strerror}", where=str(path)) from error

    def stored(self) -> list[StoredKey]:
        """All private keys here, by name.

        Raises:
            KeyStoreError: one cannot be read.
        """
        root = self.root()
        stored = []
        for path in sorted(self.folder.glob("*.key")):
            kid = self.signer(path.stem).public.id
            roles = tuple(name for name, role in root.roles.items() if kid in role.keys) if root else ()
            stored.append(StoredKey(path.stem, kid, roles))
        return stored

    def signer(self, name: str) -> Signer:
        """The key of that name.

        Raises:
            KeyStoreError: there is none, or it cannot be read.
        """
        return SoftwareKey.from_seed(read_seed(self.folder / f"{name}.key"))

    def release_signers(self) -> Sequence[tuple[str, Signer]]:
        """As many (name, key) as the root's role `release` asks for, newest names first.

        Raises:
            MissingKeyError: fewer are on this desk.
        """
        root = self.root()
        if root is None:
            raise MissingKeyError(
                "there are no keys on this desk", where=str(self.folder), remedy="fleet keys init"
            )
        names = [key.name for key in reversed(self.stored()) if "release" in key.roles]
        needed = root.roles["release"].threshold
        if len(names) < needed:
            raise MissingKeyError(
                f"root {root.version} asks for {needed} release signatures, "
                f"{len(names)} of its release keys are here",
                where=str(self.folder),
                remedy="fleet keys show lists what is here and what the root wants",
            )
        return [(name, self.signer(name)) for name in names[:needed]]


def _seed_text(key: SoftwareKey) -> bytes:
    return key.seed.hex().encode() + b"\n"

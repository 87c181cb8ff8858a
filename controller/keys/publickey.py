"""Public keys as files that people carry: one line, `fleet-key ed25519 <hexadecimal> <name>`."""

from dataclasses import dataclass
from pathlib import Path

from controller.keys.errors import KeyStoreError
from controller.keys.files import read_public
from protocol.errors import RefusedError
from protocol.keys import EDDSA, ES256, PublicKey

ALGORITHMS = {EDDSA: "ed25519", ES256: "es256"}


@dataclass(frozen=True)
class NamedKey:
    """A public key and what its owner calls it."""

    name: str
    public: PublicKey


def public_text(name: str, public: PublicKey) -> bytes:
    """The contents of a public key's file."""
    return f"fleet-key {ALGORITHMS[public.algorithm]} {public.data.hex()} {name}\n".encode()


def read_public_key(path: Path) -> NamedKey:
    """A public key from the file that `fleet keys new` wrote.

    Raises:
        KeyStoreError: unreadable, or not such a file.
    """
    words = read_public(path).decode("utf-8", "replace").split()
    kinds = {name: number for number, name in ALGORITHMS.items()}
    try:
        magic, kind, data, name = words
        if magic == "fleet-key":
            public = PublicKey(kinds[kind], bytes.fromhex(data))
            public.check()
            return NamedKey(name, public)
    except (ValueError, KeyError, RefusedError):
        pass
    raise KeyStoreError(
        f"{path.name} is no public key", where=str(path), remedy="fleet keys new NAME writes NAME.pub"
    )

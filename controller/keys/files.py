"""Files that only their owner may read, and that are never overwritten."""

import os
import stat
from pathlib import Path

from controller.keys.errors import KeysExistError, KeyStoreError

SEED_BYTES = 32


def write_new(path: Path, data: bytes, *, secret: bool) -> None:
    """Create `path` with `data`, on disk before this returns.

    Args:
        path: Must not exist; missing folders are made, private when `secret`.
        data: The contents.
        secret: Whether the file's mode is 0600 rather than 0644.

    Raises:
        KeysExistError: the file exists.
        KeyStoreError: it cannot be written.
    """
    mode = 0o600 if secret else 0o644
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # O_EXCL and the mode at creation: no moment at which others could read or replace it.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    except FileExistsError as error:
        raise KeysExistError(
            f"{path.name} exists already; keys are never overwritten",
            where=str(path),
            remedy="fleet keys show, or move the old keys away first",
        ) from error
    except OSError as error:
        raise KeyStoreError(f"cannot write {path.name}: {error.strerror}", where=str(path)) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise KeyStoreError(f"cannot write {path.name}: {error.strerror}", where=str(path)) from error


def read_seed(path: Path) -> bytes:
    """The 32-byte seed in a key file (64 hexadecimal digits).

    Raises:
        KeyStoreError: unreadable, readable by others, or not a seed.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(4 * SEED_BYTES)
    except OSError as error:
        raise KeyStoreError(f"cannot read {path.name}: {error.strerror}", where=str(path)) from error
    if mode & 0o077:
        raise KeyStoreError(
            f"{path.name} may be read by others (mode {mode:04o})",
            where=str(path),
            remedy=f"chmod 600 {path}, and think about who has seen it",
        )
    try:
        seed = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        # The cause is left out of the chain: its text would quote the file.
        raise KeyStoreError(
            f"{path.name} does not hold {2 * SEED_BYTES} hexadecimal digits", where=str(path)
        ) from None
    return seed

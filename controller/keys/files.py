"""Files that only their owner may read, written whole or not at all."""

import os
import stat
from pathlib import Path

from controller.keys.errors import KeysExistError, KeyStoreError

MAX_FILE = 1 << 20
"""Most bytes read of any file here."""


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
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _create(path, data, secret=secret)
    except FileExistsError as error:
        raise KeysExistError(
            f"{path.name} exists already; keys are never overwritten",
            where=str(path),
            remedy="fleet keys show, or move the old keys away first",
        ) from error
    except OSError as error:
        raise KeyStoreError(f"cannot write {path.name}: {error.strerror}", where=str(path)) from error


def replace(path: Path, data: bytes, *, secret: bool) -> None:
    """Write `path`, over what is there; after a power cut the old or the new contents are there whole.

    Raises:
        KeyStoreError: it cannot be written; the old contents are intact.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside.unlink(missing_ok=True)
        _create(beside, data, secret=secret)
        beside.rename(path)
    except OSError as error:
        raise KeyStoreError(f"cannot write {path.name}: {error.strerror}", where=str(path)) from error


def _create(path: Path, data: bytes, *, secret: bool) -> None:
    # O_EXCL and the mode at creation: no moment at which others could read or replace it.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600 if secret else 0o644)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def read_private(path: Path) -> bytes:
    """A file that nobody else may read.

    Raises:
        KeyStoreError: unreadable, readable by others, or larger than any key.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(MAX_FILE)
    except FileNotFoundError as error:
        raise KeyStoreError(
            f"there is no {path.name}", where=str(path), remedy="fleet keys show lists what is here"
        ) from error
    except OSError as error:
        raise KeyStoreError(f"cannot read {path.name}: {error.strerror}", where=str(path)) from error
    if mode & 0o077:
        raise KeyStoreError(
            f"{path.name} may be read by others (mode {mode:04o})",
            where=str(path),
            remedy=f"chmod 600 {path}, and think about who has seen it",
        )
    return data


def read_public(path: Path) -> bytes:
    """A file without secrets.

    Raises:
        KeyStoreError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE)
    except OSError as error:
        raise KeyStoreError(f"cannot read {path.name}: {error.strerror}", where=str(path)) from error

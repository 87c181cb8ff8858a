"""The few file operations that durable state is made of, behind an interface that tests can record.

What survives a power cut is what POSIX promises and no more: the contents of a file after `sync`, a
name in a folder after `sync_folder` of that folder.
"""

import errno
import os
from pathlib import Path
from typing import Protocol

from device_agent.errors import DiskFullError


class Files(Protocol):
    """Files under one root; paths are relative, with `/` between their parts."""

    def read(self, path: str) -> bytes | None:
        """All bytes of a file; None when there is no such file."""
        ...

    def write(self, path: str, offset: int, data: bytes) -> None:
        """Write `data` at `offset`, creating the file or extending it as needed.

        Raises:
            DiskFullError: there is no room.
        """
        ...

    def sync(self, path: str) -> None:
        """Make the contents of a file durable."""
        ...

    def sync_folder(self, path: str) -> None:
        """Make creations, renamings and removals in a folder durable."""
        ...

    def replace(self, source: str, target: str) -> None:
        """Give `source` the name `target`, atomically."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file; one that is not there is no error."""
        ...

    def make_folder(self, path: str) -> None:
        """Create a folder; one that is there already is no error."""
        ...

    def names(self, path: str) -> list[str]:
        """What a folder contains; nothing when there is no such folder."""
        ...


def replace_durably(files: Files, path: str, data: bytes) -> None:
    """Replace a whole file so that after a power cut it is the old one or the new one.

    Raises:
        DiskFullError: there is no room; the old file is intact.
    """
    folder, _, _ = path.rpartition("/")
    temporary = path + ".new"
    files.remove(temporary)
    files.write(temporary, 0, data)
    files.sync(temporary)
    files.replace(temporary, path)
    files.sync_folder(folder)


def _full(error: OSError, path: Path, needed: int) -> OSError | DiskFullError:
    """The error, as DiskFullError if that is what it says: of blocks, of a quota or of inodes."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskFullError(str(path), needed)
    return error


class DiskFiles:
    """`Files` on a real disk. Everything is readable by the agent's user only."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def read(self, path: str) -> bytes | None:
        """All bytes of a file; None when there is no such file."""
        try:
            return (self.root / path).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: str, offset: int, data: bytes) -> None:
        """Write `data` at `offset`, creating the file or extending it as needed."""
        full, view = self.root / path, memoryview(data)
        try:
            descriptor = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                while view:
                    written = os.pwrite(descriptor, view, offset)
                    view, offset = view[written:], offset + written
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _full(error, full, len(view)) from error

    def sync(self, path: str) -> None:
        """Make the contents of a file durable."""
        self._sync(self.root / path, os.O_RDONLY)

    def sync_folder(self, path: str) -> None:
        """Make creations, renamings and removals in a folder durable."""
        self._sync(self.root / path, os.O_RDONLY | os.O_DIRECTORY)

    @staticmethod
    def _sync(path: Path, flags: int) -> None:
        descriptor = os.open(path, flags | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as error:
            raise _full(error, path, 0) from error
        finally:
            os.close(descriptor)

    def replace(self, source: str, target: str) -> None:
        """Give `source` the name `target`, atomically."""
        try:
            (self.root / source).replace(self.root / target)
        except OSError as error:
            raise _full(error, self.root / target, 0) from error

    def remove(self, path: str) -> None:
        """Remove a file; one that is not there is no error."""
        (self.root / path).unlink(missing_ok=True)

    def make_folder(self, path: str) -> None:
        """Create a folder; one that is there already is no error."""
        try:
            (self.root / path).mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _full(error, self.root / path, 0) from error

    def names(self, path: str) -> list[str]:
        """What a folder contains; nothing when there is no such folder."""
        try:
            return sorted(entry.name for entry in (self.root / path).iterdir())
        except FileNotFoundError:
            return []

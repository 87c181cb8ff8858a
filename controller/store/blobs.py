"""Blobs, each a file named by the SHA-256 of its bytes."""

import hashlib
import os
import secrets
from pathlib import Path

from controller.store.errors import StorageError
from protocol.errors import RefusedError


class BlobStore:
    """A folder of content-addressed files.

    Writes are atomic: a name either is absent or holds exactly the bytes it promises.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest

    def has(self, digest: str) -> bool:
        """Whether the blob is here."""
        return self._path(digest).is_file()

    def put(self, digest: str, data: bytes) -> None:
        """Keep `data` under `digest`.

        Raises:
            RefusedError: the digest is not that of the data.
            StorageError: the disk refuses.
        """
        actual = hashlib.sha256(data).hexdigest()
        if actual != digest:
            raise RefusedError(f"blob has SHA-256 {actual[:8]}…, not the {digest[:8]}… it was sent as")
        path = self._path(digest)
        if path.is_file():
            return
        beside = path.with_name(f"{digest}.{secrets.token_hex(8)}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.rename(path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise StorageError(
                f"cannot store a blob of {len(data)} bytes: {error.strerror}",
                where=str(path),
                remedy="free some space where the controller's data is",
            ) from error

    def get(self, digest: str) -> bytes:
        """The bytes of a blob, verified.

        Raises:
            StorageError: it is not here, or the file was damaged.
        """
        try:
            data = self._path(digest).read_bytes()
        except FileNotFoundError:
            raise StorageError(f"blob sha256:{digest[:8]}… is not on this controller") from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise StorageError(
                f"blob sha256:{digest[:8]}… was damaged on the controller's disk",
                where=str(self._path(digest)),
                remedy="delete the file and push the release again",
            )
        return data

"""Files that a command is asked to write."""

from pathlib import Path

from protocol.errors import InputError


def write_text(file: Path, content: str) -> None:
    """Write a file.

    Raises:
        InputError: It cannot be written.
    """
    write_bytes(file, content.encode())


def write_bytes(file: Path, content: bytes) -> None:
    """Write a file.

    Raises:
        InputError: It cannot be written.
    """
    try:
        file.write_bytes(content)
    except OSError as error:
        raise InputError(
            f"cannot write {file}: {error.strerror}", remedy="give a file in a folder that exists"
        ) from error

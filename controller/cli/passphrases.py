"""Where passphrases and PINs come from: a file, a file descriptor, or a person at a terminal.

Never an argument or an environment variable, both of which other users and logs can see; an environment
variable may name the file.
"""

import getpass
import os
import stat
import sys
from pathlib import Path
from typing import Annotated

import typer

from controller.keys import PassphraseError
from controller.keys.keyfile import check_passphrase

MOST = 4096
"""Bytes read of a passphrase file."""

PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        envvar="FLEET_PASSPHRASE_FILE",
        metavar="FILE",
        help="Its first line is the passphrase, or PIN; /dev/fd/3 works, too.",
        show_default=False,
    ),
]
Plain = Annotated[bool, typer.Option("--plain", help="Leave new keys unencrypted, and do not ask.")]


class Asker:
    """Asks once for each key; with a file, asks nobody.

    Args:
        file: Holds the passphrase of every key that is needed.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._from_file: str | None = None
        self._known: dict[str, str] = {}

    def passphrase(self, name: str) -> str:
        """The passphrase of a key.

        Raises:
            PassphraseError: the file is not usable, or there is nobody to ask.
        """
        return self._ask(f"passphrase of {name}", f"key {name} is encrypted")

    def pin(self, token: str) -> str:
        """The user PIN of a token.

        Raises:
            PassphraseError: the file is not usable, or there is nobody to ask.
        """
        return self._ask(f"PIN of token {token}", f"token {token} wants its PIN")

    def new(self, *, plain: bool) -> str | None:
        """A passphrase for new keys; None: they stay plain.

        Raises:
            PassphraseError: it is too short, or was not repeated rightly.
        """
        if plain or (self._file is None and not at_terminal()):
            return None
        if self._file is not None:
            chosen = self._read()
        else:
            chosen = getpass.getpass("new passphrase: ", sys.stderr)
            check_passphrase(chosen)
            if getpass.getpass("the same again: ", sys.stderr) != chosen:
                raise PassphraseError("the two passphrases differ", remedy="the same command again")
        check_passphrase(chosen)
        return chosen

    def _ask(self, prompt: str, why: str) -> str:
        if self._file is not None:
            return self._read()
        if prompt not in self._known:
            if not at_terminal():
                raise PassphraseError(
                    f"{why}, and there is no terminal to ask at",
                    remedy="--passphrase-file FILE, or FLEET_PASSPHRASE_FILE",
                )
            self._known[prompt] = getpass.getpass(f"{prompt}: ", sys.stderr)
        return self._known[prompt]

    def _read(self) -> str:
        # Kept, because a pipe can be read only once.
        if self._from_file is None:
            self._from_file = _first_line(self._file or Path(os.devnull))
        return self._from_file


def at_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(MOST)
    except OSError as error:
        raise PassphraseError(f"cannot read the passphrase: {error.strerror}", where=str(path)) from error
    if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
        raise PassphraseError(
            f"the passphrase may be read by others (mode {stat.S_IMODE(status.st_mode):04o})",
            where=str(path),
            remedy=f"chmod 600 {path}, and think about who has seen it",
        )
    try:
        line = data.decode().split("\n", 1)[0].rstrip("\r")
    except UnicodeDecodeError:
        line = ""
    if not line:
        raise PassphraseError("the first line holds no passphrase", where=str(path)) from None
    return line

"""Debian source packages of a release that this machine need not run, by the ordinary client.

The machine's own lists stay as they are: apt is given a folder of its own, with the mirror that the
machine uses and the release that is asked for.
"""

import contextlib
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from protocol.errors import FleetError

RELEASE = "trixie"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class DebianSourceError(FleetError):
    """A source package that cannot be fetched."""


class DebianSources:
    """A private view of Debian's archive. Use as `with opened() as sources`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        places = {
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": str(folder / "parts"),
            "Dir::State::Lists": str(folder / "lists"),
            "Dir::Cache": str(folder / "cache"),
            "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
        }
        self._options = [word for name, value in places.items() for word in ("-o", f"{name}={value}")]
        for name in ("parts", "lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        line = f"deb-src [signed-by={_KEYRING}] {_mirror()} {RELEASE} main\n"
        (folder / "parts" / "sources.list").write_text(line)
        self._apt("update", "--error-on=any")

    def fetch(self, package: str, version: str) -> tuple[Path, str]:
        """A package's folder with Debian's patches applied, and the SHA-256 of its description.

        The description (.dsc) has the digests of all that the package consists of, so its own stands
        for them.

        Raises:
            DebianSourceError: Debian does not have that version, or the package is broken.
        """
        self._apt("source", "--download-only", f"{package}={version}")
        (description,) = self._folder.glob(f"{package}_*.dsc")
        place = self._folder / package
        _run(["dpkg-source", "--require-strong-checksums", "-x", description.name, str(place)], self._folder)
        return place, hashlib.sha256(description.read_bytes()).hexdigest()

    def _apt(self, *command: str) -> None:
        _run(["apt-get", "-q", *self._options, *command], self._folder)


@contextlib.contextmanager
def opened() -> Iterator[DebianSources]:
    """The archive, for as long as it is needed.

    Raises:
        DebianSourceError: the machine's mirror does not have the release.
    """
    with tempfile.TemporaryDirectory() as work:
        yield DebianSources(Path(work))


def _mirror() -> str:
    form = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Identifier: Packages", "Origin: Debian"]
    places = _run(form, Path.cwd()).split()
    for place in places:
        if "security" not in place:
            return place
    raise DebianSourceError("apt knows no mirror of Debian", remedy="sources of others are taken from there")


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise DebianSourceError(
            f"{command[0]} could not fetch sources of Debian {RELEASE}",
            where=(done.stderr or done.stdout).strip()[-300:],
            remedy="see whether this machine reaches Debian's mirror, and whether it still has that version",
        )
    return done.stdout

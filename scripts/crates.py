"""Files out of Rust crates, by the ordinary client; nothing is built."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from protocol.errors import FleetError


class CrateError(FleetError):
    """A crate that cannot be fetched."""


def _cargo() -> str:
    """The first that runs: rustup's does not where no toolchain was chosen.

    Raises:
        CrateError: there is none.
    """
    for folder in os.get_exec_path():
        found = shutil.which("cargo", path=folder)
        if found and subprocess.run([found, "--version"], capture_output=True, check=False).returncode == 0:
            return found
    raise CrateError("there is no cargo that runs", remedy="scripts/setup --test installs one")


@contextlib.contextmanager
def vendored(crate: str, version: str) -> Iterator[tuple[Path, str]]:
    """A crate's folder for as long as it is needed, and the SHA-256 of the file it came in.

    Raises:
        CrateError: cargo fails.
    """
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        (folder / "none.rs").touch()
        (folder / "Cargo.toml").write_text(
            '[package]\nname = "files"\nversion = "0.0.0"\nedition = "2021"\n[lib]\npath = "none.rs"\n'
            f'[dependencies]\n{crate} = "={version}"\n'
        )
        command = [_cargo(), "vendor", "--quiet", "--versioned-dirs", "out"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            raise CrateError(
                f"cargo could not fetch the crate {crate} {version}",
                where=done.stderr.strip()[-300:],
                remedy="see whether this machine reaches the registry, and try again",
            )
        place = folder / "out" / f"{crate}-{version}"
        yield place, json.loads((place / ".cargo-checksum.json").read_text())["package"]

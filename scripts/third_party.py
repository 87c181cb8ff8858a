"""Fetches the C sources of others that the C host is built with: `scripts/firmware fetch`."""

import contextlib
import shutil
import sys
import tomllib
from pathlib import Path

from protocol.errors import FleetError
from scripts import debian_sources
from scripts.crates import vendored

HOST = Path(__file__).parents[1] / "firmware_host"
FOLDER = HOST / "third_party"
_MARK = ".fetched"


class OtherSourcesError(FleetError):
    """Sources that are not those that are pinned."""


def fetch() -> list[Path]:
    """Everything in `third_party.toml`, unless it is there.

    Raises:
        CrateError: cargo fails.
        DebianSourceError: apt fails.
        OtherSourcesError: a registry gives something else than what is pinned.
    """
    pinned = tomllib.loads((HOST / "third_party.toml").read_text())
    missing = {name: entry for name, entry in pinned.items() if not _is_there(name, entry)}
    with contextlib.ExitStack() as stack:
        debian = None
        for name, entry in missing.items():
            if "crate" in entry:
                source, digest = stack.enter_context(vendored(entry["crate"], entry["version"]))
            else:
                debian = debian or stack.enter_context(debian_sources.opened())
                source, digest = debian.fetch(entry["debian"], entry["version"])
            _install(name, entry, source, digest)
    return [FOLDER / name for name in pinned]


def _is_there(name: str, entry: dict[str, str]) -> bool:
    mark = FOLDER / name / _MARK
    return mark.is_file() and mark.read_text() == entry["sha256"]


def _install(name: str, entry: dict[str, str], source: Path, digest: str) -> None:
    if digest != entry["sha256"]:
        raise OtherSourcesError(
            f"{name} {entry['version']} is sha256:{digest}",
            where=f"firmware_host/third_party.toml pins sha256:{entry['sha256']}",
            remedy="do not use it; find out why the registry gives something else",
        )
    place = FOLDER / name
    shutil.rmtree(place, ignore_errors=True)
    FOLDER.mkdir(exist_ok=True)
    shutil.copytree(source / entry.get("folder", "."), place)
    (place / _MARK).write_text(entry["sha256"])


if __name__ == "__main__":
    if sys.argv[1:] != ["fetch"]:
        sys.exit("scripts/firmware fetch")
    for path in fetch():
        print(path.relative_to(HOST.parent))

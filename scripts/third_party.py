"""Fetches the C sources of others that the C host is built with: `scripts/firmware fetch`."""

import shutil
import sys
import tomllib
from pathlib import Path

from protocol.errors import FleetError
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
        OtherSourcesError: the registry gives something else than what is pinned.
    """
    pinned = tomllib.loads((HOST / "third_party.toml").read_text())
    return [_fetch_crate(name, entry) for name, entry in pinned.items()]


def _fetch_crate(name: str, entry: dict[str, str]) -> Path:
    place = FOLDER / name
    mark = place / _MARK
    if mark.is_file() and mark.read_text() == entry["sha256"]:
        return place
    with vendored(entry["crate"], entry["version"]) as (crate, digest):
        if digest != entry["sha256"]:
            raise OtherSourcesError(
                f"crate {entry['crate']} {entry['version']} is sha256:{digest}",
                where=f"firmware_host/third_party.toml pins sha256:{entry['sha256']}",
                remedy="do not use it; find out why the registry gives something else",
            )
        shutil.rmtree(place, ignore_errors=True)
        FOLDER.mkdir(exist_ok=True)
        shutil.copytree(crate / entry["folder"], place)
    mark.write_text(entry["sha256"])
    return place


if __name__ == "__main__":
    if sys.argv[1:] != ["fetch"]:
        sys.exit("scripts/firmware fetch")
    for path in fetch():
        print(path.relative_to(HOST.parent))

"""Packages of builds that were made before, so that a second push starts at once."""

import tempfile
from pathlib import Path

import platformdirs

from controller.releases import DamagedPackageError, Package

KEPT = 16
"""Newest packages that stay."""


class PackageCache:
    """One file for each key; losing any of them costs a build and nothing else.

    Args:
        folder: `$XDG_CACHE_HOME/fleet/packages` if not given.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or platformdirs.user_cache_path("fleet", appauthor=False) / "packages"

    def get(self, key: str) -> Package | None:
        """The package of that key, if it is there and whole."""
        path = self._path(key)
        try:
            package = Package.decode(path.read_bytes())
            path.touch()
        except OSError:
            return None
        except DamagedPackageError:
            path.unlink(missing_ok=True)
            return None
        return package

    def put(self, key: str, package: Package) -> None:
        """Keep a package; a cache that cannot be written is no reason to fail."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as file:
                file.write(package.encode())
            Path(file.name).replace(self._path(key))
            self._prune()
        except OSError:
            return

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.package"

    def _prune(self) -> None:
        files = sorted(self.folder.glob("*.package"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in files[KEPT:]:
            old.unlink(missing_ok=True)

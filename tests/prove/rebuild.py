"""Releases rebuilt by the toolchain for another kind of machine, aarch64 in an emulator: the same bytes.

`python -m tests.prove.rebuild [--models NAME …] [--json]`

clang starts itself by its own name, so the kernel must hand aarch64 programs to qemu (binfmt_misc).
"""

# ruff: noqa: T201 - a command

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from importlib.metadata import version
from pathlib import Path
from unittest import mock

from controller.compiler import Instance, ModelProject, build, golden_inputs
from controller.compiler.emit import toolchain
from controller.releases import pack
from controller.releases.rebuild import rebuild
from tests.engines.cases import PROJECTS

MODELS = ("crop-model", "mnist", "activity", "text-direction")
_REMEDY = "as root, once: apt-get install qemu-user-binfmt, or register qemu-aarch64 with binfmt_misc"


def foreign_toolchain(folder: Path) -> Path:
    """The package of this machine's version of zig, built for aarch64."""
    wanted = f"ziglang=={version('ziglang')}"
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
    platform = ["--only-binary=:all:", "--platform", "manylinux2014_aarch64", "-d", str(folder), wanted]
    subprocess.run([*pip, *platform], check=True)
    (wheel,) = folder.glob("ziglang-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    wheel.unlink()
    package = folder / "ziglang"
    (package / "zig").chmod(0o755)
    return package


def main() -> int:
    """Exit 1 if a byte differs, 3 if aarch64 programs do not run here."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    result = {}
    with tempfile.TemporaryDirectory() as name:
        package = foreign_toolchain(Path(name))
        try:
            subprocess.run([package / "zig", "version"], check=True, capture_output=True)
        except OSError as error:
            print(f"aarch64 programs do not run here: {error.strerror}; {_REMEDY}", file=sys.stderr)
            return 3
        for model in given.models:
            made = build(ModelProject.load(PROJECTS / model))
            release = pack(made, golden_inputs(made.project, made, 2), Instance)
            toolchain.kernels_object.cache_clear()
            start = time.monotonic()
            with (
                mock.patch.object(toolchain.ziglang, "__file__", str(package / "__init__.py")),
                mock.patch.object(toolchain, "cache_folder", return_value=Path(name, "cache")),
            ):
                done = rebuild(release.manifest(1, 0), release.blobs.__getitem__)
            toolchain.kernels_object.cache_clear()
            result[model] = {module.target: module.difference for module in done.modules}
            words = ", ".join(f"{target} {said or 'the same'}" for target, said in result[model].items())
            print(f"{model:15} {words}   {time.monotonic() - start:.0f} s", flush=True)
    if given.json:
        print(json.dumps({"machine": "aarch64", "differences": result}))
    return 1 if any(said for modules in result.values() for said in modules.values()) else 0


if __name__ == "__main__":
    sys.exit(main())

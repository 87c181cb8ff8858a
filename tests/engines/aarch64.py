"""The program that runs jobs in wasmtime for aarch64, and the command that starts it on this machine."""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import wasmtime
import ziglang
from wasmtime import _bindings

from tests.engines.errors import HostError

HERE = Path(__file__).parent
LIBRARIES = Path(sys.prefix) / "aarch64" / "wasmtime" / "linux-aarch64"
"""Of the wheel for aarch64, of the version of this machine's; scripts/setup --test puts it there."""

SYSTEM = Path("/usr/aarch64-linux-gnu")
"""The C library for aarch64, of Debian's libc6-arm64-cross and libgcc-s1-arm64-cross."""

_STRUCTURES = ("func", "instance", "memory", "extern", "val_raw")


def command() -> Sequence[str | Path]:
    """What takes the files of jobs and of answers.

    Raises:
        HostError: Something that it needs is missing, or the program does not build.
    """
    needed = (
        LIBRARIES / "_libwasmtime.so",
        *(SYSTEM / "lib" / name for name in ("libc.so.6", "libgcc_s.so.1")),
    )
    missing = [str(path) for path in needed if not path.exists()]
    if shutil.which("qemu-aarch64") is None:
        missing.append("qemu-aarch64")
    if missing:
        raise HostError(f"{', '.join(missing)} is missing: scripts/setup --test installs it")
    return ["qemu-aarch64", "-L", SYSTEM, "-E", f"LD_LIBRARY_PATH={LIBRARIES}", _program().path]


class _Program:
    """aarch64.c, built; its folder goes when the process ends."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fleet-aarch64-")
        self.path = Path(self._folder.name) / "engine"
        sizes = [
            f"-DSIZE_OF_{name.upper()}={ctypes.sizeof(getattr(_bindings, f'wasmtime_{name}'))}"
            for name in _STRUCTURES
        ]
        command = [Path(ziglang.__file__).with_name("zig"), "cc", "-target", "aarch64-linux-gnu.2.31"]
        command += ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", *sizes]
        command += [HERE / "aarch64.c", "_libwasmtime.so", "-o", self.path]
        caches = {"ZIG_LOCAL_CACHE_DIR": self._folder.name}
        done = subprocess.run(
            command, cwd=LIBRARIES, env=os.environ | caches, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise HostError(f"aarch64.c, with wasmtime {wasmtime.__version__}: {done.stderr.strip()}")


@cache
def _program() -> _Program:
    return _Program()

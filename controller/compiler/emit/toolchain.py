"""Clang and the linker of the `ziglang` wheel.

Kernels are compiled once for each state of their sources and kept in the user's cache. The flags that
decide results stand in `modules/kernels/compile_flags.txt`; these keep node names and write short files.
"""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import platformdirs
import ziglang

from controller.compiler import resources
from controller.compiler.errors import ToolchainError
from controller.compiler.targets import Target

STACK_BYTES = 16384
"""Shadow stack. Kernels do not recurse, and of the frames on it at most one holds a patch."""

_FRAME_BYTES = 9216
_COMPILE = ("-O3", "-g0", "-Werror=frame-larger-than=", f"-Wframe-larger-than={_FRAME_BYTES}")
_LEAD = 16
_LINK = (
    "--no-entry",
    "--strip-debug",
    "--compress-relocations",
    "--stack-first",
    "--no-growable-memory",
    "--export=fleet_layer",
    "-z",
    f"stack-size={STACK_BYTES}",
)


def toolchain_version() -> str:
    """For provenance."""
    return f"zig {version('ziglang')}"


def _machine(target: Target) -> list[str]:
    return ["-target", "wasm32-freestanding", f"-mcpu={target.cpu}"]


def _flags() -> list[str]:
    """The flags that results depend on; relative folders are those of the kernels."""
    return (resources.kernels() / "compile_flags.txt").read_text().split()


def _zig(arguments: Sequence[str], cwd: Path, scratch: Path) -> None:
    """Run one tool; `scratch` takes what zig would leave in a cache that nobody empties."""
    # What `python -m ziglang` starts, without starting Python first.
    command = [str(Path(ziglang.__file__).with_name("zig")), *arguments]
    environment = os.environ | {
        "ZIG_GLOBAL_CACHE_DIR": str(scratch / "zig"),
        "ZIG_LOCAL_CACHE_DIR": str(scratch / "zig"),
    }
    done = subprocess.run(  # noqa: S603 - our own arguments
        command, capture_output=True, text=True, check=False, cwd=cwd, env=environment
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
        raise ToolchainError(
            f"{arguments[0]} failed: {lines[0] if lines else f'exit code {done.returncode}'}",
            where=toolchain_version(),
            remedy="reinstall ziglang; if it fails again, report this with the model",
        )


def cache_folder() -> Path:
    """Where compiled kernels and fetched files are kept."""
    return Path(platformdirs.user_cache_dir("fleet"))


def _kernel_sources(target: Target) -> list[Path]:
    """The references, their SIMD128 variants where there are any, and helpers; relative paths."""
    root = resources.kernels()
    chosen = {path.relative_to(root / "reference"): path for path in (root / "reference").rglob("*.c")}
    if target.simd:
        chosen |= {path.relative_to(root / "simd128"): path for path in (root / "simd128").rglob("*.c")}
    return [chosen[name].relative_to(root) for name in sorted(chosen)]


@cache
def kernels_object(target: Target) -> Path:
    """All kernels of a target as one object file."""
    root = resources.kernels()
    sources = _kernel_sources(target)
    digest = sha256(repr((toolchain_version(), target, _COMPILE)).encode())
    for path in sorted(path for pattern in ("*.c", "*.h", "*.txt") for path in root.rglob(pattern)):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    result = cache_folder() / "kernels" / f"{target.name}-{digest.hexdigest()[:32]}.o"
    if result.is_file():
        return result
    result.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=result.parent) as folder:
        unit = Path(folder) / "kernels.c"
        unit.write_text("".join(f'#include "{path.as_posix()}"\n' for path in sources))
        made = Path(folder) / "kernels.o"
        _zig(
            ["cc", "-c", *_machine(target), *_flags(), *_COMPILE, str(unit), "-o", str(made)],
            root,
            Path(folder),
        )
        # Another build may have been faster; both made the same bytes.
        os.replace(made, result)  # noqa: PTH105 - the atomic one
    return result


def build_wasm(source: str, constants: bytes, target: Target) -> bytes:
    """Compile a module's source and link it with the kernels it calls.

    Args:
        source: From `source.module_source`.
        constants: The block that the source calls `constants`.
        target: What to compile for.

    Raises:
        ToolchainError: Clang or the linker failed.
    """
    kernels = kernels_object(target)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "module.c").write_text(source)
        # Clang looks for a byte order mark at the beginning of any file, also of one that it embeds.
        (folder / "constants.bin").write_bytes(bytes(_LEAD) + (constants or bytes(16)))
        (folder / "constants.c").write_text(
            "__attribute__((aligned(16))) const unsigned char constants[] = {\n"
            f'#embed "constants.bin" clang::offset({_LEAD})\n}};\n'
        )
        include = [f"-I{resources.abi()}"]
        root = resources.kernels()
        flags = [*_machine(target), *_flags(), *_COMPILE, *include]
        _zig(["cc", "-c", *flags, str(folder / "module.c"), "-o", str(folder / "module.o")], root, folder)
        _zig(
            ["cc", "-c", *_machine(target), "-std=c23", "-g0", "constants.c", "-o", "constants.o"],
            folder,
            folder,
        )
        # The linker lays data out in this order: parameters of the layers first, then the block.
        _zig(
            ["wasm-ld", *_LINK, "module.o", str(kernels), "constants.o", "-o", "module.wasm"], folder, folder
        )
        return (folder / "module.wasm").read_bytes()

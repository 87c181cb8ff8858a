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

HOST_STACK, CARRIED_STACK = 256, 4096
"""The same of modules whose kernels are the host's: layers alone, and kernels that have no large patches."""

_FRAME_BYTES = 9216
_COMPILE = ("-O3", "-g0", "-Werror=frame-larger-than=", f"-Wframe-larger-than={_FRAME_BYTES}")
_HOST = ("-O2", "-g0", "-fPIC", "-fwrapv")
_LEAD = 16
_LINK = (
    "--no-entry",
    "--strip-debug",
    "--compress-relocations",
    "--stack-first",
    "--no-growable-memory",
    "--export=fleet_layer",
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
    result = cache_folder() / "kernels" / f"{target.name}-{_digest((target, _COMPILE))}.o"
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


@cache
def host_library() -> Path:
    """The kernels that modules import from their host, for this machine: a board's, but without its DSP."""
    root = resources.kernels()
    chosen = {path.relative_to(root / "reference"): path for path in (root / "reference").rglob("*.c")}
    chosen |= {path.relative_to(root / "mcu"): path for path in (root / "mcu").rglob("*.c")}
    digest = _digest(("host", _HOST))
    result = cache_folder() / "kernels" / f"host-{digest}.so"
    if result.is_file():
        return result
    result.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=result.parent) as folder:
        made = Path(folder) / "host.so"
        sources = [str(chosen[name].relative_to(root)) for name in sorted(chosen)]
        _zig(
            ["cc", "-shared", *_flags(), *_HOST, f"-I{resources.abi()}", *sources, "-o", str(made)],
            root,
            Path(folder),
        )
        os.replace(made, result)  # noqa: PTH105 - the atomic one
    return result


def _digest(flags: object) -> str:
    """Of everything that compiled kernels depend on."""
    digest = sha256(repr((toolchain_version(), flags)).encode())
    folders = (resources.kernels(), resources.abi())
    files = (path for root in folders for pattern in ("*.c", "*.h", "*.txt") for path in root.rglob(pattern))
    for path in sorted(files):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:32]


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
        return _link(["module.o", str(kernels), "constants.o"], STACK_BYTES, folder)


def build_host_wasm(source: str, target: Target, stack: int) -> bytes:
    """The same for a target whose kernels are the host's: constants are no part of the linear memory.

    Args:
        source: From `source.module_source`.
        target: What to compile for.
        stack: Bytes of the shadow stack.

    Raises:
        ToolchainError: Clang or the linker failed.
    """
    kernels = kernels_object(target)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "module.c").write_text(source)
        flags = [*_machine(target), *_flags(), *_COMPILE, "-Oz", f"-I{resources.abi()}"]
        root = resources.kernels()
        _zig(["cc", "-c", *flags, str(folder / "module.c"), "-o", str(folder / "module.o")], root, folder)
        # With these a host knows how little of the memory is ever used.
        ends = ["--export=__heap_base", "--export=__data_end"]
        return _link([*ends, "module.o", str(kernels)], stack, folder)


def _link(inputs: Sequence[str], stack: int, folder: Path) -> bytes:
    _zig(["wasm-ld", *_LINK, "-z", f"stack-size={stack}", *inputs, "-o", "module.wasm"], folder, folder)
    return (folder / "module.wasm").read_bytes()

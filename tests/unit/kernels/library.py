"""Builds all kernels of one variant as one Wasm module that exports each of them."""

import subprocess
import sys
from pathlib import Path

KERNELS = Path(__file__).parents[3] / "modules" / "kernels"
SCRATCH = Path(__file__).with_name("scratch.c")
CPU = {
    "mvp": "mvp+mutable_globals",
    "simd": "mvp+mutable_globals+simd128",
    "relaxed": "mvp+mutable_globals+simd128+relaxed_simd",
    # What boards have; here without the instructions for signals that some of them add.
    "mcu": "mvp+mutable_globals",
}
VARIANTS = {"simd": "simd128", "relaxed": "simd128", "mcu": "mcu"}
OPTIMIZED = ["-O3"]
# Undefined behaviour traps.
CHECKED = ["-O1", "-fsanitize=undefined", "-fsanitize-trap=undefined"]


def sources(target: str) -> list[Path]:
    """The files of a target: the references, their variants where there are any, and helpers."""
    chosen = {path.relative_to(KERNELS / "reference"): path for path in (KERNELS / "reference").rglob("*.c")}
    if target in VARIANTS:
        fast = KERNELS / VARIANTS[target]
        chosen |= {path.relative_to(fast): path for path in fast.rglob("*.c") if path.parent.name != "host"}
    return [chosen[name] for name in sorted(chosen)]


def names() -> list[str]:
    """Names of all kernels, which are those of the reference's files."""
    return sorted(path.stem for path in (KERNELS / "reference").rglob("*.c"))


def compile_object(target: str, folder: Path, flags: list[str], wrappers: Path) -> Path:
    """Compiles all kernels of a target as one translation unit, which their static names allow."""
    unit = folder / f"{target}.c"
    files = [*sources(target), wrappers]
    unit.write_text("".join(f'#include "{path}"\n' for path in files))
    result = folder / f"{target}.o"
    machine = ["-target", "wasm32-freestanding", f"-mcpu={CPU[target]}"]
    common = (KERNELS / "compile_flags.txt").read_text().split()
    zig("cc", "-c", *machine, *common, *flags, str(unit), "-o", str(result))
    return result


def link(target: str, folder: Path, flags: list[str], wrappers: Path = SCRATCH) -> Path:
    """Links the kernels of a target, and one more C file, into a module that exports their functions.

    Fails on any symbol that they do not define themselves.
    """
    kernels = compile_object(target, folder, flags, wrappers)
    module = folder / f"{target}.wasm"
    exports = [f"--export={name}" for name in [*names(), "__heap_base"]]
    memory = ["--initial-memory=33554432", "--stack-first", "-z", "stack-size=16384"]
    zig("wasm-ld", "--no-entry", "--export-dynamic", *memory, *exports, str(kernels), "-o", str(module))
    return module


def zig(*arguments: str) -> None:
    """Runs a tool of the ziglang wheel; its complaint becomes the error's text."""
    done = subprocess.run(
        [sys.executable, "-m", "ziglang", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=KERNELS,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)

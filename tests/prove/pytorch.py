"""The networks of the field, from PyTorch: exported, compiled for both targets, and compared with torch.

`python -m tests.prove.pytorch [--env FOLDER] [--json]`. torch and timm are installed into an environment
of their own (several gigabytes; kept in the user's cache, or FOLDER), which shares nothing with this one.
"""

# ruff: noqa: T201 - a command

import argparse
import json
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from controller.compiler import Instance, compile_model
from controller.compiler.emit.toolchain import cache_folder
from protocol.errors import FleetError

PACKAGES = ("torch", "timm", "onnx", "onnxscript")
TARGETS = ("simd", "mvp")
LIMIT = 1e-4
"""Largest difference, relative to the largest value of the output."""
EXPORTER = Path(__file__).with_name("networks.py")


@dataclass(frozen=True)
class Result:
    """Of one network."""

    network: str
    difference: float | None
    seconds: float
    module_bytes: int
    error: str | None = None

    @property
    def holds(self) -> bool:
        """Whether it compiles and computes what torch computes."""
        return self.difference is not None and self.difference <= LIMIT


def environment(folder: Path) -> Path:
    """A Python with torch, made if need be."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    have = subprocess.run([python, "-c", f"import {', '.join(PACKAGES)}"], capture_output=True, check=False)
    if have.returncode:
        print(f"installing {', '.join(PACKAGES)} into {folder}", file=sys.stderr)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def compare(file: Path) -> Result:
    """Compile one exported network and run it on the inputs that torch was given."""
    with np.load(file.with_suffix(".npz")) as arrays:
        inputs = {name[3:]: arrays[name] for name in arrays.files if name.startswith("in:")}
        expected = {name[4:]: arrays[name] for name in arrays.files if name.startswith("out:")}
    began, worst, size = time.monotonic(), 0.0, 0
    try:
        for target in TARGETS:
            module = compile_model(file, target=target)
            size = size or len(module.wasm)
            made = Instance(module.wasm).run(inputs)
            for name, value in expected.items():
                scale = float(np.max(np.abs(value))) or 1.0
                worst = max(worst, float(np.max(np.abs(made[name] - value))) / scale)
    except FleetError as error:
        return Result(file.stem, None, time.monotonic() - began, 0, error.what)
    return Result(file.stem, worst, time.monotonic() - began, size)


def main() -> int:
    """Compare all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--env", type=Path, default=cache_folder() / "prove-torch")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    python = environment(given.env)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, EXPORTER, folder], check=True, stdout=subprocess.DEVNULL)
        results = []
        for file in sorted(Path(folder).glob("*.onnx")):
            results.append(compare(file))
            print(_line(results[-1]), flush=True)
    failed = [result.network for result in results if not result.holds]
    print(f"{len(results) - len(failed)} of {len(results)} networks compile and equal torch within {LIMIT:g}")
    if given.json:
        print(json.dumps([asdict(result) for result in results]))
    return 1 if failed or not results else 0


def _line(result: Result) -> str:
    if result.difference is None:
        return f"{result.network:20} {result.error}"
    size = result.module_bytes / 1024
    return f"{result.network:20} {result.difference:.1e}   {size:10,.1f} KiB   {result.seconds:.1f} s"


if __name__ == "__main__":
    sys.exit(main())

"""Builds the C host for its ports and runs programs of it: in QEMU, or as a process."""

import os
import struct
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from scripts.third_party import fetch

REPOSITORY = Path(__file__).parents[2]
HOST = REPOSITORY / "firmware_host"
BUILDS = REPOSITORY / ".venv" / "firmware"
BOARDS = ("mps2-an500", "mps2-an386", "mps2-an385")
PORTS = (*BOARDS, "posix")
ARGUMENT = 0x00200000
"""Where boards look for what a test gives them."""
TICK_INSTRUCTIONS = 40
"""Of QEMU's instructions in one tick of a board's timer, with -icount shift=0."""


@cache
def build(port: str) -> Path:
    """The folder of a port's programs."""
    fetch()
    folder = BUILDS / port
    options = [f"-DFLEET_PORT={port}", "-DCMAKE_BUILD_TYPE=MinSizeRel"]
    if port in BOARDS:
        options.append("-DCMAKE_TOOLCHAIN_FILE=cmake/arm-none-eabi.cmake")
    _run("cmake", "-S", str(HOST), "-B", str(folder), *options)
    _run("cmake", "--build", str(folder), "-j", "2")
    return folder / "tests"


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def run(port: str, program: str, argument: Path, seconds: float = 120) -> tuple[int, str]:
    """Exit code and what it wrote."""
    path = build(port) / program
    if port in BOARDS:
        command = [
            "qemu-system-arm", "-M", port, "-nographic", "-monitor", "none", "-serial", "stdio",
            "-icount", "shift=0", "-semihosting-config", "enable=on,target=native", "-kernel", str(path),
            "-device", f"loader,file={argument},addr={ARGUMENT:#x},force-raw=on",
        ]  # fmt: skip
    else:
        command = [str(path)]
    environment = os.environ | {"FLEET_ARGUMENT": str(argument)}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=seconds,
        env=environment,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@dataclass(frozen=True)
class Run:
    """What `run_module` told.

    Attributes:
        ticks: Of one inference.
        pool: Bytes of WAMR's pool in use at most, linear memory included.
        memory: Bytes of linear memory.
        layers: Ticks of each layer.
        again: As `pool`, after the module was loaded twenty times more.
        left: Bytes of the pool in use when nothing is loaded.
    """

    output: bytes
    ticks: int
    pool: int
    memory: int
    layers: tuple[int, ...]
    again: int
    left: int


def run_module(port: str, folder: Path, wasm: bytes, given: bytes, output: int) -> Run:
    """One inference on a port, or an assertion that shows the fault."""
    argument = folder / "argument"
    padded = wasm + bytes(-len(wasm) % 16)
    argument.write_bytes(struct.pack("<IIII", len(wasm), len(given), output, 0) + padded + given)
    code, text = run(port, "run_module", argument)
    assert code == 0, text
    words = [line.split() for line in text.splitlines()]
    found = {line[0]: line[1] for line in words if len(line) == 2}
    layers = tuple(int(line[2]) for line in words if line[0] == "layer")
    numbers = (int(found[name]) for name in ("ticks", "pool", "memory"))
    return Run(bytes.fromhex(found["output"]), *numbers, layers, int(found["again"]), int(found["left"]))

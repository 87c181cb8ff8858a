"""The engines: each takes jobs and gives the answers of all their steps."""

import struct
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import wasmtime

from tests.engines import aarch64
from tests.engines.chromium import visit
from tests.engines.errors import HostError
from tests.engines.jobs import Answer, Job, decode, encode

HERE = Path(__file__).parent
DEADLINE = 900
"""Seconds for one batch of jobs, whatever else the machine does."""

Host = Callable[[Sequence[Job]], list[list[Answer]]]


def in_wasmtime(jobs: Sequence[Job]) -> list[list[Answer]]:
    """wasmtime in this process."""
    engine = wasmtime.Engine()
    return [_run(engine, job) for job in jobs]


def _run(engine: wasmtime.Engine, job: Job) -> list[Answer]:
    store = wasmtime.Store(engine)
    exports = wasmtime.Instance(store, wasmtime.Module(engine, job.wasm), []).exports(store)
    memory = cast(wasmtime.Memory, exports["memory"])

    def call(name: str, *arguments: int) -> int:
        return cast(int, cast(wasmtime.Func, exports[name])(store, *arguments))

    def one(index: int, size: int, rank: int) -> tuple[tuple[int, ...], bytes]:
        sizes = b""
        if rank:
            at = call("output_dims", index)
            sizes = bytes(memory.read(store, at, at + 4 * rank))
        at = call("output", index)
        return struct.unpack(f"<{rank}i", sizes), bytes(memory.read(store, at, at + size))

    answers = []
    for step in job.steps:
        if step.reset:
            call("reset")
        for index, value in enumerate(step.inputs):
            memory.write(store, bytearray(value), call("input", index))
        status = call("run")
        outputs = tuple(one(index, size, rank) for index, (size, rank) in enumerate(job.outputs))
        answers.append(Answer(status, outputs))
    return answers


def _by_command(command: Sequence[str | Path], jobs: Sequence[Job]) -> list[list[Answer]]:
    """Run a program on the two files."""
    with tempfile.TemporaryDirectory() as name:
        asked, answered = Path(name, "jobs"), Path(name, "answers")
        asked.write_bytes(encode(jobs))
        try:
            done = subprocess.run(
                [*command, asked, answered], capture_output=True, text=True, check=False, timeout=DEADLINE
            )
        except FileNotFoundError as error:
            raise HostError(f"{error.filename} is missing: scripts/setup --test installs it") from error
        if done.returncode:
            raise HostError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()}")
        return decode(answered.read_bytes(), jobs)


def in_node(jobs: Sequence[Job]) -> list[list[Answer]]:
    """Node."""
    return _by_command(["node", HERE / "node.mjs"], jobs)


def in_chromium(jobs: Sequence[Job]) -> list[list[Answer]]:
    """Chromium without a window."""
    root = HERE.parents[1]
    paths = (HERE / "page.html", HERE / "engine.mjs", root / "modules" / "abi" / "fleet.mjs")
    files = {f"/{path.relative_to(root)}": path.read_bytes() for path in paths}
    answers = visit("/tests/engines/page.html", {**files, "/jobs": encode(jobs)}, DEADLINE)
    return decode(answers, jobs)


def on_aarch64(jobs: Sequence[Job]) -> list[list[Answer]]:
    """wasmtime for aarch64, through its C API, in an emulator."""
    return _by_command(aarch64.command(), jobs)


# Without relaxed SIMD: Debian's Node is of 2023, before it was final. Chromium has the same compiler.
_OLD = {"node"}
HOSTS: Mapping[str, Host] = {
    "wasmtime": in_wasmtime,
    "node": in_node,
    "chromium": in_chromium,
    "aarch64": on_aarch64,
}


def knows(host: str, target: str) -> bool:
    """Whether the engine knows the instructions of a target."""
    return target != "relaxed" or host not in _OLD

"""`fleet run`."""

import contextlib
import io
import signal
import statistics
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from controller.cli import text
from controller.cli.arrays import Array, Inputs, read_inputs, read_sequence
from controller.cli.failing import told_as_json
from controller.cli.modules import read_module
from controller.cli.options import Json
from controller.cli.parse import seconds as seconds_of
from controller.cli.terminal import emit_line, note, say
from controller.cli.watchdog import Watchdog, end_process
from controller.cli.writing import write_bytes
from controller.compiler import Instance
from protocol.errors import InputError
from protocol.module import check


def run_module(
    file: Annotated[Path, typer.Argument(metavar="FILE.wasm", help="The module.", show_default=False)],
    given: Inputs = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="Y.npz", help="Write the outputs of the first run.")
    ] = None,
    repeat: Annotated[int, typer.Option("--repeat", min=1, metavar="N", help="Run so many times.")] = 1,
    deadline: Annotated[
        str, typer.Option("--deadline", metavar="TIME", help="The longest that one inference may take.")
    ] = "1m",
    json: Json = False,
) -> None:
    """Run a module file on arrays, or sequences of them, and time it.

    fleet run mobilenet.wasm --input image=x.npy --output y.npz
    """
    with told_as_json(json):
        longest = max(seconds_of(deadline, "--deadline"), 1)
        wasm = read_module(file)
        meta = check(wasm)
        sequence = read_sequence(given or (), meta)
        steps = [read_inputs(given or (), meta)] if sequence is None else sequence
        if not given and meta.inputs:
            note("no --input: the inputs are pseudo-random")
        began = time.perf_counter()
        instance = Instance(wasm)
        load = time.perf_counter() - began
        with _interruptible(), Watchdog(instance, longest, end_process(json)) as watchdog:
            seconds, first = _timed(instance, steps, repeat, watchdog)
        made = [instance.dequantize(outputs) for outputs in first]
        outputs = made[0] if sequence is None else {name: _stack(name, made) for name in made[0]}
        if output is not None:
            write_bytes(output, _archive(outputs))
        blame = _first_nonfinite(wasm, steps, made) if _nonfinite(outputs) else None
    median = statistics.median(seconds) * 1000
    if json:
        emit_line(
            {
                "module_bytes": len(wasm),
                "arena_bytes": meta.arena.size,
                "compile_seconds": load,
                "median_ms": median,
                "runs": len(seconds),
                "finite": not _nonfinite(outputs),
                "layer": blame,
            }
        )
        return
    for name, array in outputs.items():
        say(_summary(name, array))
    for name in _nonfinite(outputs):
        say(f"output {name} holds NaN or infinite values, first made in {blame or 'no layer'}")
    runs = f"median of {text.count(len(seconds))} runs" if len(seconds) > 1 else "one run"
    say(f"ran {meta.name} for {meta.target}: {text.span(median / 1000)} ({runs}, copies included)")


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end the process: a module that never returns gives Python no turn to act on it."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _timed(
    instance: Instance, steps: Sequence[Mapping[str, Array]], repeat: int, watchdog: Watchdog
) -> tuple[list[float], list[dict[str, Array]]]:
    """Seconds of each run, writing inputs and reading outputs included; the outputs of the first round."""
    seconds: list[float] = []
    first: list[dict[str, Array]] = []
    for _ in range(repeat):
        instance.reset()
        for inputs in steps:
            watchdog.begin()
            began = time.perf_counter()
            outputs = instance.run(inputs)
            seconds.append(time.perf_counter() - began)
            if len(first) < len(steps):
                first.append(outputs)
    return seconds, first


def _stack(name: str, steps: Sequence[Mapping[str, Array]]) -> Array:
    """One output of all steps.

    Raises:
        InputError: Its size depends on data, and is not always the same.
    """
    parts = [step[name] for step in steps]
    if len({part.shape for part in parts}) > 1:
        raise InputError(
            f"output {name} has another size in another step, so that a sequence of it is no array",
            where="--input",
            remedy="give the steps one by one to `controller.compiler.Instance`",
        )
    return np.stack(parts)


def _nonfinite(outputs: Mapping[str, Array]) -> list[str]:
    return [
        name for name, array in outputs.items() if array.dtype.kind == "f" and not np.all(np.isfinite(array))
    ]


def _first_nonfinite(
    wasm: bytes, steps: Sequence[Mapping[str, Array]], made: Sequence[Mapping[str, Array]]
) -> str | None:
    """The layer in which that began, in words; in an instance that has seen the steps before only."""
    instance = Instance(wasm)
    at = next(index for index, outputs in enumerate(made) if _nonfinite(outputs))
    for inputs in steps[:at]:
        instance.run(inputs)
    index = instance.first_nonfinite(steps[at])
    if index is None:
        return None
    layer = instance.meta.describe_layer(index)
    return layer if len(steps) == 1 else f"{layer}, in step {at}"


def _summary(name: str, array: Array) -> str:
    shape = f"{array.dtype}[{','.join(map(str, array.shape))}]"
    if not array.size:
        return f"{name}  {shape}  empty"
    if array.size == 1:
        return f"{name}  {shape}  {array.reshape(-1)[0]}"
    if array.dtype.kind not in "fiu":
        return f"{name}  {shape}  {np.count_nonzero(array):,} of {array.size:,} true"
    return f"{name}  {shape}  {array.min():.6g} to {array.max():.6g}, largest at {int(array.argmax()):,}"


def _archive(outputs: Mapping[str, Array]) -> bytes:
    """An `.npz` file; `numpy.savez` takes names as parameters, and not all of them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in outputs.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array).reshape(array.shape))
    return buffer.getvalue()

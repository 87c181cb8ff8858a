"""silero-vad, a streaming speech detector, on recorded speech: every step as onnxruntime computes it.

`python -m tests.prove.recurrent [--json]`. The network (MIT) comes from its Python package, the speech from
Debian's `pocketsphinx-testdata`. The module keeps the LSTM's state itself; onnxruntime is handed it.
"""

# ruff: noqa: T201 - a command

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from controller.compiler import Instance, compile_model
from controller.compiler.progress import Silent
from controller.compiler.project import SourcePackage
from controller.compiler.source import fetch

MODEL = SourcePackage(
    package="silero-vad==6.2.3",
    member="silero_vad/data/silero_vad_16k_sequence.onnx",
    sha256="9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
)
SPEECH = "pocketsphinx-testdata"
TARGETS = ("simd", "mvp")
LIMIT = 1e-4
RATE, CONTEXT, WINDOW = 16000, 64, 512
"""Samples a second; of each step the last ones of the step before, and new ones."""

Frames = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Result:
    """Of one target.

    Attributes:
        difference: The largest of all steps.
        step_ms: Median, inputs written and outputs read; likewise `onnxruntime_ms`.
    """

    target: str
    steps: int
    difference: float
    step_ms: float
    onnxruntime_ms: float


def speech() -> Frames:
    """All recordings of the package, one after the other, from -1 to 1."""
    with tempfile.TemporaryDirectory() as name:
        subprocess.run(["apt-get", "download", "--quiet", SPEECH], cwd=name, check=True, capture_output=True)
        (package,) = Path(name).glob("*.deb")
        subprocess.run(["dpkg", "-x", package, name], check=True)
        parts = []
        for file in sorted(Path(name).rglob("*.wav")):
            with wave.open(str(file)) as recording:
                parts.append(np.frombuffer(recording.readframes(recording.getnframes()), "<i2"))
        parts += [np.fromfile(file, "<i2") for file in sorted(Path(name).rglob("*.raw"))]
    return np.concatenate(parts).astype(np.float32) / np.float32(32768)


def frames(samples: Frames) -> Frames:
    """What each step is given, [steps, context + window]."""
    steps = len(samples) // WINDOW
    padded = np.concatenate([np.zeros(CONTEXT, np.float32), samples])
    return np.stack([padded[n * WINDOW : n * WINDOW + CONTEXT + WINDOW] for n in range(steps)])


def compare(target: str, given: Frames) -> Result:
    """Run module and onnxruntime step by step."""
    file = fetch(MODEL, Silent())
    module = compile_model(file, target=target, shapes={"input": (1, 576)}, state={"h": "hn", "c": "cn"})
    instance = Instance(module.wasm)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    h = c = np.zeros((1, 1, 128), np.float32)
    worst = 0.0
    ours: list[float] = []
    theirs: list[float] = []
    for frame in given:
        begun = time.perf_counter()
        found = instance.run({"input": frame[None]})["speech_probs"]
        between = time.perf_counter()
        expected, h, c = session.run(None, {"input": frame[None], "h": h, "c": c})
        theirs.append(time.perf_counter() - between)
        ours.append(between - begun)
        worst = max(worst, float(np.max(np.abs(found - expected))))
    return Result(target, len(given), worst, 1e3 * statistics.median(ours), 1e3 * statistics.median(theirs))


def main() -> int:
    """Compare all targets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    given = frames(speech())
    results = [compare(target, given) for target in TARGETS]
    print(f"{len(given) * WINDOW / RATE:.1f} s of speech, {len(given)} steps")
    for result in results:
        print(
            f"{result.target:6} largest difference {result.difference:.1e}   "
            f"{result.step_ms:.2f} ms a step (onnxruntime {result.onnxruntime_ms:.2f})"
        )
    if as_json:
        print(json.dumps([asdict(result) for result in results]))
    return 0 if all(result.difference <= LIMIT for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())

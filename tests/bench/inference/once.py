"""What happens once a model: building it, and the first inference from bytes."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from tests.bench.inference.models import Prepared, calibration
from tests.bench.inference.node import Node

BUILT = ("ds_cnn", "mobilenetv2")
_REPEATS = 9
_PROJECT = """\
name = "bench"
version = "1.0.0"
onnx = "model.onnx"
targets = ["simd", "mvp"]

[quantize]
calibration = "calibration.npz"
"""


def cold_start_ms(model: Prepared, node: Node) -> float:
    """From the module's bytes to the first result, in a Node that runs already; median."""
    request = {"do": "cold", "model": str(model.wasm), "input": str(model.input)}
    return 1000 * median(float(node.ask(**request)["seconds"]) for _ in range(_REPEATS))


def build_seconds(model: Prepared) -> float:
    """`fleet build` of both targets, oracle check included, from start to end of the second process.

    Raises:
        OSError: It failed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.toml").write_text(_PROJECT)
        (folder / "model.onnx").write_bytes(model.float_onnx.read_bytes())
        np.savez(folder / "calibration.npz", x=calibration(model.shape))
        program = "from controller.cli.entry import main; main()"
        command = [sys.executable, "-c", program, "build", "bench", "--project", name, "--json"]
        for _ in range(2):
            start = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            seconds = time.perf_counter() - start
            if done.returncode:
                raise OSError((done.stderr or done.stdout).strip().splitlines()[0])
    return seconds

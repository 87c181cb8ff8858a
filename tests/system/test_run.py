"""`fleet run` as a process."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.support.director import wait_until
from tests.support.fake_module import FakeModule


def test_a_module_that_never_returns_is_interrupted(tmp_path):
    module = tmp_path / "loop.wasm"
    module.write_bytes(FakeModule(behaviour="loop").build())
    with subprocess.Popen(
        [Path(sys.executable).parent / "fleet", "run", module],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            assert b"pseudo-random" in process.stdout.readline()
            seconds = lambda: Path(f"/proc/{process.pid}/stat").read_text().split()[13]  # noqa: E731
            begun = int(seconds())
            # Ticks of 10 ms: by then nothing but the loop runs.
            wait_until(lambda: int(seconds()) > begun + 50, "the module runs")
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == -signal.SIGINT
        finally:
            process.kill()

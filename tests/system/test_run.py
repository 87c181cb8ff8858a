"""`fleet run` as a process."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from protocol.module import read_meta
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


def test_a_deadline_names_the_layer_that_was_running(tmp_path):
    module = tmp_path / "loop.wasm"
    fake = FakeModule(behaviour="loop")
    module.write_bytes(fake.build())
    command = [Path(sys.executable).parent / "fleet", "run", module, "--deadline", "1s", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    place = read_meta(fake.build()).describe_layer(1)
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert said == {"error": f"deadline in {place}: no end after 1 s", "layer": place}
    assert f"error: deadline in {place}: no end after 1 s\n" in done.stderr
    assert "try     give it more time with --deadline" in done.stderr

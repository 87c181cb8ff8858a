"""A real agent process for tests, and what it says over HTTP."""

import json
import os
import signal
import struct
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.support.brokers import free_port
from tests.support.director import wait_until


class Agent:
    """`fleet-agent run` on an enrolled data folder; can be killed and started again."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.data = data
        self.port = free_port()
        self.log = data.parent / f"{data.name}.log"
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> None:
        """Start it; unless told otherwise wait until it answers."""
        command = [
            sys.executable, "-c", "from device_agent.entry import main; main()", "run",
            "--data", str(self.data), "--http", f"127.0.0.1:{self.port}", "--telemetry", "0.5",
            *self._arguments,
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        if wait:
            wait_until(lambda: self.get("/v2/health/live"), f"agent answers; see {self.log}")

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def runner_pids(self) -> list[int]:
        """Process ids of its runners."""
        try:
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        except OSError:
            return []
        return [int(pid) for pid in children.split()]

    def kill(self) -> None:
        """`kill -9`."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end; gives its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(how)
        try:
            code = self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        self._process = None
        return code

    def get(self, path: str) -> dict[str, Any] | None:
        """JSON of a path; None when there is no good answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                result: dict[str, Any] = json.load(answer)
                return result
        except urllib.error.HTTPError as error:
            error.close()
        except OSError:
            pass
        return None

    def infer(self, model: str, values: list[float], name: str = "x", **extra: Any) -> dict[str, Any]:
        """One inference through HTTP.

        Raises:
            InferenceFailedError: the agent answered with an error; its args are status and body.
            OSError: it did not answer.
        """
        item = {"name": name, "datatype": "FP32", "shape": [1, len(values)], "data": values}
        return self.post(model, {"inputs": [item], **extra})

    def post(self, model: str, body: object) -> dict[str, Any]:
        """A request to the model's infer resource."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v2/models/{model}/infer", json.dumps(body).encode()
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback, built above
                result: dict[str, Any] = json.load(answer)
                return result
        except urllib.error.HTTPError as error:
            with error:
                raise InferenceFailedError(error.code, json.load(error)) from None


class InferenceFailedError(Exception):
    """The agent answered with an error: status, body."""


def floats(quantized: bytes) -> list[float]:
    """What a client sees of int8 values with scale 0.5 and zero point 0."""
    return [v * 0.5 for v in struct.unpack(f"<{len(quantized)}b", quantized)]


def resident_bytes(pid: int) -> int:
    """Resident memory of a process (RSS), bytes."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

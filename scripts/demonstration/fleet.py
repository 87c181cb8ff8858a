"""A fleet on this machine: one controller with its broker and some agents, each a real process."""

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], object], what: str, seconds: float = 30, pause: float = 0.05) -> None:
    """Ask until `condition` holds, every `pause` seconds.

    Raises:
        TimeoutError: it did not within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(pause)


class Agent:
    """One device."""

    def __init__(self, name: str, folder: Path, env: dict[str, str]) -> None:
        self.name = name
        self.data = folder / name
        self.port = free_port()
        self._env = env
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its Open Inference Protocol API is."""
        return f"http://127.0.0.1:{self.port}/v2"

    def claim(self, invitation: Path) -> None:
        """Redeem the invitation."""
        command: list[str | Path] = [BIN / "fleet-agent", "claim", invitation, "--data", self.data]
        subprocess.run(command, env=self._env, check=True, capture_output=True)

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [BIN / "fleet-agent", "run", "--data", self.data, "--http", f"127.0.0.1:{self.port}"],
                env=self._env, stdout=log, stderr=log,
            )  # fmt: skip
        wait_until(self._alive, f"agent {self.name} answers; see {self._log}")

    def _alive(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/live", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """`kill -9`, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to stop."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def says(self) -> str:
        """What `fleet-agent status` prints on the device."""
        command: list[str | Path] = [BIN / "fleet-agent", "status", "--data", self.data]
        return subprocess.run(command, env=self._env, check=True, capture_output=True, text=True).stdout

    def infer(self, model: str, tensors: list[dict[str, object]]) -> dict[str, object]:
        """One inference through the HTTP API.

        Raises:
            OSError: the agent did not answer with a result.
        """
        body = json.dumps({"inputs": tensors}).encode()
        request = urllib.request.Request(
            f"{self.url}/models/{model}/infer", body, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            result: dict[str, object] = json.load(answer)
            return result


class Fleet:
    """The controller, its broker and the agents; everything lives under `folder`."""

    def __init__(
        self, folder: Path, broker_port: int | None = None, tls: tuple[Path, Path] | None = None
    ) -> None:
        """Live under `folder`, with an own broker or the one at `broker_port`; `tls`: certificate and key."""
        self._tls = tls
        self.folder = folder
        self.port = free_port()
        self.mqtt_port = broker_port or free_port()
        self._own_broker = broker_port is None
        # Wide enough for any table; the demo's own colours and the caller's terminal do not matter.
        self.env = os.environ | {
            "HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_DATA_HOME": str(folder / "data"),
        }  # fmt: skip
        # Compiled kernels are worth keeping between demonstrations.
        self.env.setdefault("XDG_CACHE_HOME", str(Path.home() / ".cache"))
        self.env.pop("FLEET_CONTROLLER", None)
        self.env.pop("FLEET_TOKEN", None)
        self.agents: list[Agent] = []
        self._server: subprocess.Popen[bytes] | None = None

    def fleet(self, *arguments: object, quiet: bool = False) -> subprocess.CompletedProcess[str]:
        """Run `fleet ARGUMENTS`; shows the command and, unless `quiet`, what it prints."""
        words = [str(argument) for argument in arguments]
        if not quiet:
            print(f"\n$ fleet {' '.join(words)}", flush=True)
        done = subprocess.run(
            [BIN / "fleet", *words], env=self.env, text=True, check=False,
            stdout=subprocess.PIPE if quiet else None, stderr=subprocess.PIPE if quiet else None,
        )  # fmt: skip
        if quiet and done.returncode:
            raise RuntimeError(f"fleet {' '.join(words)} ended with {done.returncode}: {done.stderr}")
        return done

    def json(self, *arguments: object) -> Any:
        """What `fleet ARGUMENTS --json` prints."""
        return json.loads(self.fleet(*arguments, "--json", quiet=True).stdout)

    def up(self) -> None:
        """Make keys and start controller and broker."""
        self.fleet("keys", "init", quiet=True)
        self.start_server()

    def server_command(self) -> list[str]:
        """`fleet up`."""
        broker = (
            ["--mqtt-port", str(self.mqtt_port)]
            if self._own_broker
            else ["--broker", f"mqtt://127.0.0.1:{self.mqtt_port}"]
        )
        tls = ["--tls-cert", str(self._tls[0]), "--tls-key", str(self._tls[1])] if self._tls else []
        return [str(BIN / "fleet"), "up", "--port", str(self.port), *broker, *tls]

    def start_server(self) -> None:
        """`fleet up`, and wait until it answers."""
        with (self.folder / "controller.log").open("ab") as log:
            self._server = subprocess.Popen(self.server_command(), env=self.env, stdout=log, stderr=log)
        wait_until(self._healthy, f"the controller answers; see {self.folder}/controller.log")

    def _healthy(self) -> bool:
        trust = ssl.create_default_context(cafile=str(self._tls[0])) if self._tls else None
        scheme = "https" if self._tls else "http"
        try:
            with urllib.request.urlopen(f"{scheme}://127.0.0.1:{self.port}/health", timeout=2, context=trust):
                return (self.folder / "config/fleet/client.json").exists()
        except OSError:
            return False

    def join(self, count: int, group: str, first: int = 1) -> None:
        """Enrol and start `count` agents in `group`, named from dev-`first` on."""
        joining = []
        for number in range(first, first + count):
            agent = Agent(f"dev-{number}", self.folder, self.env)
            invitation = self.folder / f"{agent.name}.invite"
            self.fleet("enroll", agent.name, "--label", "site=north", "--out", invitation, quiet=True)
            agent.claim(invitation)
            agent.start()
            joining.append(agent)
        self.agents += joining
        self.fleet("group", "add", group, *(agent.name for agent in joining), quiet=True)

    def down(self) -> None:
        """Stop every process this object started."""
        for agent in self.agents:
            agent.stop()
        self.stop_server()

    @contextlib.contextmanager
    def frozen_controller(self) -> Iterator[None]:
        """The controller hangs, its broker does not."""
        if self._server is None:
            raise RuntimeError("the controller does not run")
        self._server.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._server.send_signal(signal.SIGCONT)

    def stop_server(self) -> None:
        """Stop controller and broker; what they hold stays on disk."""
        if self._server is not None:
            self._server.terminate()
            self._server.wait()
            self._server = None

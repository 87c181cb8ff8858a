"""An owner's desk, a controller, a broker and agents, all real; releases are fake modules."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from controller.client import Client, Endpoint
from controller.client.transport import Transport
from controller.keys import KeyStore
from protocol import api, cose
from protocol.trust import MANIFEST
from scripts.demonstration.fleet import BIN, Agent, Fleet, wait_until
from tests.support.fake_module import FakeModule
from tests.support.fleet import pack

# What an air-gapped machine has not: every attempt at a connection or a database ends the command.
_ALONE = """\
import sys
FORBIDDEN = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "sqlite3.connect")
def hook(event, arguments):
    if event in FORBIDDEN:
        raise RuntimeError(f"an air-gapped machine has no {event}")
sys.addaudithook(hook)
from controller.cli.entry import main
main()
"""


class Owner(Fleet):
    """The owner of a fleet. Commands give their exit code, so that refusals can be looked at."""

    @property
    def desk(self) -> KeyStore:
        """The owner's keys."""
        return KeyStore(self.folder / "config/fleet/keys")

    @property
    def home(self) -> Path:
        """The controller's data."""
        return self.folder / "data/fleet/controller"

    def try_fleet(self, *arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command that may fail."""
        words = [str(argument) for argument in arguments]
        return subprocess.run(
            [BIN / "fleet", *words], env=self.env | env, text=True, check=False, capture_output=True,
            cwd=self.folder, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def run(self, *arguments: object, **env: str) -> Any:
        """Run a command that must succeed; what its `--json` prints."""
        done = self.try_fleet(*arguments, "--json", **env)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def client(self) -> Client:
        """A connection to the controller."""
        token = (self.home / "token").read_text()
        return Client(Transport(Endpoint(f"http://127.0.0.1:{self.port}", token)))

    def release(self, version: str, key: int = 1) -> api.Release:
        """Make a release of a fake module, with the release keys of this desk."""
        package = pack(FakeModule(version=version, key=key))
        signers = [signer for _, signer in self.desk.release_signers()]
        with self.client() as client:
            reservation = client.reserve(
                api.Reserve(model=package.model, version=version, content=package.content)
            )
            for digest, blob in package.blobs.items():
                client.put_blob(digest, blob)
            manifest = package.manifest(reservation.sequence, reservation.floor)
            return client.register(cose.sign(MANIFEST, manifest.encode(), signers))

    def push(self, version: str, *options: str) -> subprocess.CompletedProcess[str]:
        """`fleet push` of a release that exists, to everybody."""
        return self.try_fleet(
            "push", "crop-model", "--version", version, "--group", "farm", "--observe", "3,1s", *options
        )

    def wait_running(self, agent: Agent, version: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until a device says that it has confirmed a version."""

        def there() -> bool:
            model = said(agent)["models"].get("crop-model")
            return bool(
                model and model["state"] == "confirmed" and (model["running"] or {})["version"] == version
            )

        wait_until(there, f"{agent.name} runs {version}", seconds)
        return said(agent)


def said(agent: Agent) -> dict[str, Any]:
    """`fleet-agent status --json` of a device."""
    done = subprocess.run(
        [BIN / "fleet-agent", "status", "--json", "--data", agent.data], env=agent._env, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    result: dict[str, Any] = json.loads(done.stdout)
    return result


class Holder:
    """Somebody with a key on a machine without any network."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir()
        self.secret = self.folder / "passphrase"
        self.secret.write_text(f"the passphrase of {name}\n")
        self.secret.chmod(0o600)

    def fleet(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run a command here; any use of a network or a database ends it."""
        env = os.environ | {
            "HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_DATA_HOME": str(self.folder / "data"), "FLEET_PASSPHRASE_FILE": str(self.secret),
            "FLEET_CONTROLLER": "http://127.0.0.1:1",
        }  # fmt: skip
        words = [str(argument) for argument in arguments]
        return subprocess.run(
            [sys.executable, "-c", _ALONE, *words], env=env, text=True, check=False, capture_output=True,
            cwd=self.folder, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def new_key(self) -> Path:
        """Make a key; its public half."""
        done = self.fleet("keys", "new", f"root-{self.name}")
        assert done.returncode == 0, done.stderr
        return self.folder / f"root-{self.name}.pub"

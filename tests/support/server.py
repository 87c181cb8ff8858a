"""A controller process for tests, and simulated devices that reach it through a real broker."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import httpx
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from protocol import api, cose, topics
from protocol.enrolment import Invitation
from protocol.trust import MANIFEST
from tests.support.brokers import free_port
from tests.support.director import Keys, wait_until
from tests.support.fake_module import FakeModule
from tests.support.fleet import FakeDevice, pack

_RUN = """\
import json, sys
from pathlib import Path
from controller.server import run_server
from protocol.errors import FleetError
try:
    run_server(Path(sys.argv[1]), **json.loads(sys.argv[2]))
except FleetError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


class Server:
    """`run_server` in a process of its own, on free ports, with keys in its folder."""

    def __init__(self, folder: Path, broker: str | None = None, keys: Keys | None = None) -> None:
        self.folder = folder
        self.keys = keys or Keys.new()
        self.options: dict[str, Any] = {
            "port": free_port(), "mqtt_port": free_port(), "broker": broker
        }  # fmt: skip
        (folder / "roots").mkdir(parents=True, exist_ok=True)
        (folder / "director.key").write_text(self.keys.director.seed.hex())
        (folder / "director.key").chmod(0o600)
        (folder / "roots" / "1.cose").write_bytes(self.keys.signed_root())
        self.process: subprocess.Popen[bytes] | None = None
        self._http: httpx.Client | None = None

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def start(self, *, wait: bool = True) -> Self:
        """Start it; unless told otherwise wait until its broker is connected."""
        environment = {**os.environ, "XDG_CONFIG_HOME": str(self.folder / "config")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _RUN, str(self.folder), json.dumps(self.options)],
                stdout=log, stderr=log, env=environment,
            )  # fmt: skip
        if wait:
            wait_until(lambda: self.broker_state() == "connected", f"server is up; see {self.log}")
        return self

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it; gives its exit code."""
        if self._http is not None:
            self._http.close()
            self._http = None
        if self.process is None:
            return 0
        self.process.send_signal(how)
        code = self.process.wait(20)
        self.process = None
        return code

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.options['port']}"

    @property
    def broker_port(self) -> int:
        given: str | None = self.options["broker"]
        return int(given.rsplit(":", 1)[1]) if given else int(self.options["mqtt_port"])

    def broker_state(self) -> str | None:
        """What its health says of the broker; None when it does not answer."""
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(f"the server ended: {self.log.read_text()[-2000:]}")
        try:
            state: str = httpx.get(f"{self.url}/health", trust_env=False).json()["broker"]
        except (httpx.HTTPError, KeyError):
            return None
        return state

    def ask(self, method: str, path: str, status: int = 200, **request: Any) -> Any:
        """A request to the API, which must be answered by `status`."""
        if self._http is None:
            token = (self.folder / "token").read_text()
            self._http = httpx.Client(
                base_url=f"{self.url}/api/v1/", headers={"authorization": f"Bearer {token}"},
                trust_env=False, timeout=30,
            )  # fmt: skip
        answer = self._http.request(method, path, **request)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def release(self, version: str, key: int, **module: Any) -> api.Release:
        """Build, upload, sign and register a release."""
        package = pack(FakeModule(version=version, key=key, **module))
        body = {"model": package.model, "version": version, "content": package.content}
        numbers = self.ask("POST", "releases/reserve", json=body)
        for digest, blob in package.blobs.items():
            self.ask("PUT", f"blobs/{digest}", 204, content=blob)
        manifest = package.manifest(numbers["sequence"], numbers["floor"])
        signed = cose.sign(MANIFEST, manifest.encode(), [self.keys.release])
        made = self.ask("POST", "releases", 201, json={"manifest": signed.hex()})
        return api.Release.model_validate_json(json.dumps(made))

    def push(self, release: api.Release, group: str = "farm-a") -> int:
        body = {"model": release.model, "version": release.version, "group": group}
        number: int = self.ask("POST", "pushes", 201, json=body)["rollout"]
        return number

    def join(self, name: str, group: str = "farm-a") -> "MqttDevice":
        """A simulated device that is enrolled, claimed, in a group, and known by its first report."""
        enrolment = self.ask("POST", "devices", 201, json={"name": name})
        invitation = Invitation.decode(bytes.fromhex(enrolment["invitation"]))
        device = MqttDevice(name, self.broker_port)
        claim = {"token": invitation.token, "public_key": device.fake.public}
        claimed = self.ask("POST", f"devices/{name}/claim", json=claim)
        device.fake.accept(invitation, api.Claimed.model_validate(claimed))
        self.ask("PATCH", f"groups/{group}", json={"add": [name]})
        device.connect()
        device.fake.online()
        device.fake.report()
        wait_until(lambda: self.device(name).capabilities, f"{name} is heard")
        return device

    def device(self, name: str) -> api.Device:
        return api.Device.model_validate_json(json.dumps(self.ask("GET", f"devices/{name}")))


class Listener:
    """An MQTT client that keeps the newest payload of each topic; also publishes what an attacker might."""

    def __init__(self, port: int, name: str, *subscriptions: str) -> None:
        self.seen: dict[str, bytes] = {}
        self._port = port
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, name)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_message = lambda _c, _d, message: self._see(message)
        self._published: set[int] = set()
        self._client.on_publish = lambda _c, _d, mid, *_: self._published.add(mid)
        if subscriptions:
            self._client.on_connect = lambda client, *_: client.subscribe([(t, 0) for t in subscriptions])

    def _see(self, message: mqtt.MQTTMessage) -> None:
        # A new map each time: the test walks through the old one meanwhile.
        self.seen = {**self.seen, message.topic: bytes(message.payload)}

    def connect(self) -> Self:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        return self

    def publish(self, topic: str, payload: bytes, *, retain: bool = True) -> None:
        # Without a connection paho keeps it until there is one.
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        wait_until(lambda: info.mid in self._published, f"{topic} is published")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        # paho keeps its wake-up sockets until the client is collected, perhaps after the sockets themselves.
        self._client.reinitialise()


class MqttDevice(Listener):
    """A simulated device on a real broker."""

    def __init__(self, name: str, port: int) -> None:
        super().__init__(port, name, *(topics.device(name, leaf) for leaf in ("desired", "time", "cmd")))
        self.name = name
        self.fake = FakeDevice(name, self.say, lambda: self.seen.get(topics.device(name, "desired")))

    def say(self, leaf: str, payload: bytes) -> None:
        self.publish(topics.device(self.name, leaf), payload, retain=leaf in ("reported", "presence"))

"""The desk's commands against the real HTTP application: what one end says, the other understands."""

import secrets
import socket
import threading
from datetime import UTC, datetime

import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from controller.api import make_app
from controller.cli import making
from controller.client import Client, Endpoint
from controller.client.transport import Transport
from controller.compiler import Instance
from controller.delivery import Access
from controller.director_keys import DirectorKeys
from controller.keys import KeyStore, initialise
from controller.keys.keyfile import NO_SECRETS
from controller.releases import pack
from controller.service import Context, Service
from controller.store import BlobStore, Store
from protocol import api
from protocol.enrolment import Invitation
from protocol.errors import RefusedError
from protocol.keys import SoftwareKey
from tests.unit.desk import modules
from tests.unit.desk.conftest import fleet, home

__all__ = ["fleet", "home"]

NOW = 1_790_000_000


class Broker:
    """Remembers what was published."""

    url = "mqtt://127.0.0.1:7401"
    is_connected = True

    def __init__(self):
        self.retained = {}

    def publish(self, topic, payload):
        self.retained[topic] = payload

    def send(self, topic, payload):
        pass


class Server:
    """The application over a database of its own, on a port of the loopback."""

    def __init__(self, folder):
        self.folder = folder
        self.token = secrets.token_hex(8)
        self.broker = Broker()
        self._store = Store(f"sqlite:///{folder / 'fleet.db'}")
        self._store.migrate()
        desk = KeyStore(folder / "config/fleet/keys")
        initialise(desk, folder / "controller", now=NOW)
        root = (desk.folder / "roots/1.cose").read_bytes()
        seed = bytes.fromhex((folder / "controller/director.key").read_text())
        context = Context(
            store=self._store,
            blobs=BlobStore(folder / "blobs"),
            publisher=self.broker,
            access=Access(folder / "access", (), datetime.fromtimestamp(NOW, UTC)),
            clock=lambda: NOW,
            director=SoftwareKey.from_seed(seed),
            exchange_key=X25519PrivateKey.generate().private_bytes_raw(),
            roots={1: root},
            keep_root=lambda *_: None,
            controller_url="http://testserver",
            directors=DirectorKeys(folder / "controller", NO_SECRETS),
        )
        # Connections wait in the socket's backlog until the server accepts, so nobody polls for it.
        self._socket = socket.create_server(("127.0.0.1", 0))
        app = make_app(Service(context), self.token)
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))
        self._thread.start()

    def client(self, token=None):
        host, port = self._socket.getsockname()
        return Client(Transport(Endpoint(f"http://{host}:{port}", token or self.token)))

    def close(self):
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()
        self._store.close()


@pytest.fixture
def server(home, monkeypatch):
    server = Server(home)
    monkeypatch.setattr(Client, "from_environment", lambda **_: server.client())
    yield server
    server.close()


@pytest.fixture
def released(server, fleet, monkeypatch):
    """Two devices in a group, and a model."""
    monkeypatch.setattr(making, "package_for", lambda *_: pack(modules.build(), [], Instance))
    for name in ("dev-1", "dev-2"):
        assert fleet("enroll", name, "--label", "site=north", "--out", server.folder / name).code == 0
    assert fleet("group", "add", "farm-a", "--query", "site=north").code == 0
    return server


def test_info_and_root(server):
    with server.client() as client:
        info = client.info()
        assert info.root == 1
        assert client.root().root == client.root(1).root


def test_a_wrong_token(server):
    with server.client("wrong") as client, pytest.raises(RefusedError, match="token"):
        client.status()


def test_devices_and_groups(released, fleet):
    invitation = Invitation.decode((released.folder / "dev-1").read_bytes())
    assert (invitation.device, invitation.device_class) == ("dev-1", "linux")
    listed = fleet("devices", "--group", "farm-a", "--json").json
    assert [device["name"] for device in listed] == ["dev-1", "dev-2"]
    assert api.Device.model_validate(fleet("devices", "dev-1", "--json").json).labels == {"site": "north"}
    assert fleet("label", "dev-2", "site=south", "--json").json["groups"] == []
    assert fleet("group", "list", "--json").json[0]["devices"] == ["dev-1"]
    assert fleet("group", "remove", "farm-a", "--whole").code == 0
    assert fleet("group", "list").out.startswith("no groups yet")
    assert fleet("unenroll", "dev-1").code == 0
    gone = fleet("devices", "dev-1")
    assert gone.code == 3
    assert "dev-1" in gone.err


def test_the_same_name_twice_is_refused(released, fleet):
    done = fleet("enroll", "dev-1", "--out", released.folder / "again")
    assert done.code == 3
    assert "dev-1" in done.err
    assert not (released.folder / "again").exists()


def test_the_controller_accepts_what_the_desk_packs_and_signs(released, fleet):
    done = fleet("push", "toy", "--group", "farm-a", "--detach", "--json")
    assert done.code == 0, done.err
    assert done.json["plan"]["version"] == "1.0.0"
    release = fleet("release", "show", "toy", "1.0.0", "--json").json
    assert [module["target"] for module in release["modules"]] == ["mvp", "simd"]
    assert release["provenance"]["onnx"] == "77ab"
    assert release["inputs"][0]["name"] == "image"
    assert f"fleet/v1/manifest/{release['manifest']}" in released.broker.retained
    assert "release-2026a" in fleet("release", "show", "toy", "1.0.0").out
    assert [item["version"] for item in fleet("release", "list", "toy", "--json").json] == ["1.0.0"]


def test_pushing_again_uploads_nothing(released, fleet, monkeypatch):
    assert fleet("push", "toy", "--group", "farm-a", "--detach").code == 0
    monkeypatch.setattr(Client, "put_blob", None)
    monkeypatch.setattr(Client, "register", None)
    assert fleet("push", "toy", "--group", "farm-a", "--detach").code == 0


def test_the_same_version_with_other_bytes_is_refused(released, fleet, monkeypatch):
    assert fleet("push", "toy", "--group", "farm-a", "--detach").code == 0
    monkeypatch.setattr(making, "package_for", lambda *_: pack(modules.build(seed=1), [], Instance))
    done = fleet("push", "toy", "--group", "farm-a")
    assert done.code == 5
    assert "toy 1.0.0 is released already, with other bytes" in done.err
    assert "model.toml" in done.err


def test_dry_run_assigns_nothing(released, fleet):
    plan = api.PushPlan.model_validate(fleet("push", "toy", "--group", "farm-a", "--dry-run", "--json").json)
    assert [device.device for device in plan.devices] == ["dev-1", "dev-2"]
    assert fleet("rollout", "list").out.startswith("no rollouts yet")
    assert fleet("group", "list", "--json").json[0]["wanted"] == {}


def test_status_why_and_rollouts(released, fleet):
    started = fleet("push", "toy", "--group", "farm-a", "--detach", "--json").json["rollout"]
    assert api.Status.model_validate(fleet("status", "--json").json).devices == 2
    assert "farm-a" in fleet("status").out
    assert fleet("why", "dev-1").out.startswith("dev-1")
    shown = api.Rollout.model_validate(fleet("rollout", "show", started, "--json").json)
    assert {device.device for device in shown.devices} == {"dev-1", "dev-2"}
    assert fleet("rollout", "list", "--json").json[0]["id"] == started


def test_withdrawing(released, fleet):
    assert fleet("push", "toy", "--group", "farm-a", "--dry-run").code == 0
    assert fleet("release", "withdraw", "toy", "1.0.0", "--json").json["withdrawn"] is True
    again = fleet("push", "toy", "--group", "farm-a", "--version", "1.0.0")
    assert again.code == 5
    assert "withdrawn" in again.err


@pytest.mark.parametrize(
    ("words", "code", "names"),
    [
        ("push toy --group nobody", 3, "nobody"),
        ("push toy --group farm-a --version 9.9.9", 3, "9.9.9"),
        ("rollback toy --group farm-a", 3, "toy"),
        ("remove toy --group farm-a", 3, "toy"),
        ("rollout show 99", 3, "99"),
        ("rollout pause 99", 3, "99"),
        ("release show toy 9.9.9", 3, "9.9.9"),
        ("release withdraw toy 9.9.9", 3, "9.9.9"),
        ("why nobody", 3, "nobody"),
        ("label nobody a=b", 3, "nobody"),
        ("unenroll nobody", 3, "nobody"),
        ("group add farm-a nobody", 3, "nobody"),
        ("group remove nobody dev-1", 3, "nobody"),
        ("group add farm-b --query site==", 3, "site=="),
        ("devices --group nobody", 3, "nobody"),
    ],
)
def test_bad_input_names_the_thing(released, fleet, words, code, names):
    done = fleet(*words.split())
    assert done.code == code, done.out + done.err
    assert names in done.err
    assert "fleet itself failed" not in done.err


def test_an_empty_group(server, fleet, monkeypatch):
    monkeypatch.setattr(making, "package_for", lambda *_: pack(modules.build(), [], Instance))
    assert fleet("group", "add", "empty").code == 0
    done = fleet("push", "toy", "--group", "empty")
    assert done.code == 3
    assert "empty" in done.err

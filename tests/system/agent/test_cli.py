"""The commands as a person types them."""

import http.server
import json
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from controller.delivery.authority import Authority
from device_agent.identity import load
from device_agent.slots.files import DiskFiles
from protocol.enrolment import Invitation, report_key
from tests.support.agents import Agent
from tests.support.director import Director, Keys
from tests.support.fake_module import FakeModule

CONTROLLER = X25519PrivateKey.generate()
AUTHORITY = Authority.create(datetime.now(UTC))


def command(*words: object) -> subprocess.CompletedProcess[str]:
    program = "from device_agent.entry import main; main()"
    arguments = [sys.executable, "-c", program, *map(str, words)]
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=30)


class Handler(http.server.BaseHTTPRequestHandler):
    """A controller that knows one token."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server = self.server
        server.claims.append((self.path, body))
        if body["token"] == "good":  # noqa: S105 - not a password
            public = CONTROLLER.public_key().public_bytes_raw().hex()
            request = bytes.fromhex(body["request"])
            made = AUTHORITY.device(request, "dev-1", bytes(32), datetime.now(UTC))
            certificates = {"certificate": made, "authority": AUTHORITY.certificate}
            status, answer = 200, {
                "public_key": public, "broker": "mqtt://127.0.0.1:1",
                "credentials": {name: c.public_bytes(Encoding.DER).hex() for name, c in certificates.items()},
            }  # fmt: skip
        else:
            status, answer = 403, {"title": "the token has been used", "remedy": "fleet enroll dev-1"}
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Be quiet."""


@pytest.fixture
def controller():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.claims = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def invitation(path: Path, controller, token: str = "good") -> Path:  # noqa: S107 - not a password
    document = Invitation(
        device="dev-1", device_class="linux", controller=f"http://127.0.0.1:{controller.server_port}",
        broker="mqtt://127.0.0.1:1", token=token, root=Keys.new().signed_root(),
    )  # fmt: skip
    path.write_bytes(document.encode())
    return path


def test_claim_makes_a_key_and_stores_whom_to_trust(tmp_path, controller):
    data = tmp_path / "agent"
    done = command("claim", invitation(tmp_path / "dev-1.invite", controller), "--data", data)
    assert done.returncode == 0, done.stderr
    assert "claimed dev-1, class linux" in done.stdout
    identity, verifier = load(DiskFiles(data), data)
    ((path, body),) = controller.claims
    assert path == "/api/v1/devices/dev-1/claim"
    assert identity.report_key == report_key(
        CONTROLLER.private_bytes_raw(), bytes.fromhex(body["public_key"]), "dev-1"
    )
    assert verifier.root.version == 1
    assert {entry.stat().st_mode & 0o077 for entry in data.iterdir()} == {0}
    again = command("claim", tmp_path / "dev-1.invite", "--data", data)
    assert again.returncode == 3
    assert "has an identity already" in again.stderr


def test_a_claim_whose_answer_was_lost_can_be_repeated_with_the_same_key(tmp_path, controller):
    data = tmp_path / "agent"
    refused = command("claim", invitation(tmp_path / "bad.invite", controller, "spent"), "--data", data)
    assert refused.returncode == 4
    assert "refuses the claim: the token has been used" in refused.stderr
    assert "try     fleet enroll dev-1" in refused.stderr
    done = command("claim", invitation(tmp_path / "good.invite", controller), "--data", data)
    assert done.returncode == 0
    assert len({body["public_key"] for _, body in controller.claims}) == 1


@pytest.mark.parametrize("content", [None, b"", b"\xa0", b"hello"])
def test_something_that_is_no_invitation(tmp_path, content):
    path = tmp_path / "x.invite"
    if content is not None:
        path.write_bytes(content)
    done = command("claim", path, "--data", tmp_path / "agent")
    assert done.returncode == 3
    assert "x.invite" in done.stderr
    assert "fleet enroll" in done.stderr


def test_a_controller_that_is_not_there(tmp_path, controller):
    path = invitation(tmp_path / "x.invite", controller)
    path.write_bytes(path.read_bytes().replace(str(controller.server_port).encode(), b"1".rjust(5, b"0")))
    done = command("claim", path, "--data", tmp_path / "agent")
    assert done.returncode == 4
    assert "no controller at" in done.stderr


def test_run_without_a_claim(tmp_path):
    done = command("run", "--data", tmp_path / "agent")
    assert done.returncode == 3
    assert "holds no identity of a device" in done.stderr
    assert "fleet-agent claim NAME.invite" in done.stderr


@pytest.fixture
def enrolled(tmp_path):
    """An agent that serves, on a broker that is not there."""
    Director(1, tmp_path / "agent")
    agent = Agent(tmp_path / "agent")
    agent.start()
    yield agent
    agent.kill()


def test_two_agents_on_one_folder(enrolled):
    done = command("run", "--data", enrolled.data, "--http", "127.0.0.1:1")
    assert done.returncode == 1
    assert f"another agent works on {enrolled.data}" in done.stderr


def test_an_address_that_is_taken(enrolled, tmp_path):
    Director(1, tmp_path / "other")
    done = command("run", "--data", tmp_path / "other", "--http", f"127.0.0.1:{enrolled.port}")
    assert done.returncode == 1
    assert f"address 127.0.0.1:{enrolled.port} is taken" in done.stderr
    assert "--http HOST:PORT" in done.stderr


@pytest.mark.parametrize(
    "option",
    [
        ("--broker", "http://x"),
        ("--http", "80"),
        ("--broker", "mqtt://x:y"),
        ("--broker", "mqtt://["),
        ("--http", "127.0.0.1:65536"),
    ],
)
def test_options_that_make_no_sense(tmp_path, option):
    Director(1, tmp_path / "agent")
    done = command("run", "--data", tmp_path / "agent", *option)
    assert done.returncode == 3, done.stderr
    assert repr(option[1]) in done.stderr
    assert "Traceback" not in done.stderr


def test_damaged_trust_is_one_clear_error(tmp_path):
    Director(1, tmp_path / "agent")
    path = tmp_path / "agent/trust"
    path.write_bytes(path.read_bytes()[:-1])
    done = command("run", "--data", tmp_path / "agent")
    assert done.returncode == 3
    assert str(path) in done.stderr


@pytest.mark.broker
def test_status_of_an_agent_that_runs_and_of_one_that_does_not(one_world):
    director, agent = one_world.director, one_world.agent
    agent.start()
    one = director.release(FakeModule())
    director.assign(one)
    director.wait_state(one, "confirmed")
    running = json.loads(command("status", "--json", "--data", agent.data).stdout)
    assert (running["running"], running["connected"], running["device"]) == (True, True, "dev-1")
    model = running["models"]["crop-model"]
    assert (model["state"], model["running"]["version"]) == ("confirmed", "1.0.0")
    assert "crop-model  1.0.0  confirmed" in command("status", "--data", agent.data).stdout
    agent.stop()
    stopped = json.loads(command("status", "--json", "--data", agent.data).stdout)
    assert stopped["running"] is False
    assert stopped["models"]["crop-model"]["running"]["version"] == "1.0.0"
    assert command("status", "--data", agent.data / "none").returncode == 3


def test_a_missing_extra_is_one_plain_sentence(tmp_path):
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError('no', name='typer')")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from device_agent.entry import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr == "error: fleet-agent needs the package typer: pip install 'modelfleet[agent]'\n"

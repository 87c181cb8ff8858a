"""Starting and ending the server process."""

import json
import signal
import socket
from pathlib import Path

import pytest

from tests.support.brokers import accepts_connect, free_port
from tests.support.director import wait_until
from tests.support.server import Server

pytestmark = pytest.mark.broker


def refusal(server: Server) -> tuple[int, str]:
    """Exit code and words of a server that does not start."""
    server.start(wait=False)
    assert server.process is not None
    code = server.process.wait(30)
    server.process = None
    return code, server.log.read_text()


def test_it_ends_cleanly_and_takes_its_broker_along(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    state = json.loads((tmp_path / "controller.json").read_text())
    assert state["controller"] == server.url
    client = tmp_path / "config" / "fleet" / "client.json"
    assert json.loads(client.read_text())["controller"] == server.url
    for secret in (tmp_path / "token", tmp_path / "x25519.key", client):
        assert secret.stat().st_mode & 0o777 == 0o600
    assert server.stop(signal.SIGINT) == 0
    assert not (tmp_path / "controller.json").exists()
    assert not accepts_connect(server.broker_port)


def test_a_killed_server_leaves_no_broker_behind(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    server.stop(signal.SIGKILL)
    wait_until(lambda: not accepts_connect(server.broker_port), "the broker ends with its parent")
    # What it left is no obstacle to the next one.
    assert server.start().stop() == 0


def test_no_keys(tmp_path: Path) -> None:
    server = Server(tmp_path)
    (tmp_path / "director.key").unlink()
    code, words = refusal(server)
    assert code == 3
    assert f"fleet keys rotate director --data {tmp_path}" in words
    (tmp_path / "roots" / "1.cose").unlink()
    code, words = refusal(server)
    assert code == 3
    assert "fleet keys init" in words
    assert "Traceback" not in words


def test_a_director_key_that_others_may_read(tmp_path: Path) -> None:
    server = Server(tmp_path)
    (tmp_path / "director.key").chmod(0o640)
    code, words = refusal(server)
    assert code == 3
    assert "may be read by others (mode 0640)" in words
    assert server.keys.director.seed.hex() not in words


def test_a_director_key_that_the_root_does_not_list(tmp_path: Path) -> None:
    server = Server(tmp_path)
    (tmp_path / "director.key").write_text("11" * 32)
    code, words = refusal(server)
    assert code == 3
    assert "does not list the director's key" in words


@pytest.mark.parametrize(("option", "flag"), [("port", "--port"), ("mqtt_port", "--mqtt-port")])
def test_a_taken_port_is_named_with_the_option_for_another(tmp_path: Path, option: str, flag: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = Server(tmp_path)
        server.options[option] = other.getsockname()[1]
        code, words = refusal(server)
    assert code == 3
    assert f"port {server.options[option]} is taken" in words
    assert flag in words


def test_two_controllers_do_not_share_their_data(tmp_path: Path) -> None:
    first = Server(tmp_path).start()
    second = Server(tmp_path, keys=first.keys)
    code, words = refusal(second)
    assert code == 3
    assert "another controller runs on this data" in words
    assert first.ask("GET", "info")["broker_connected"]
    assert first.stop() == 0


def test_a_broker_that_is_not_there(tmp_path: Path) -> None:
    port = free_port()
    code, words = refusal(Server(tmp_path, f"mqtt://127.0.0.1:{port}"))
    assert code == 4
    assert f"no broker at mqtt://127.0.0.1:{port}" in words


def test_an_address_that_is_no_brokers(tmp_path: Path) -> None:
    code, words = refusal(Server(tmp_path, "http://127.0.0.1:1"))
    assert code == 3
    assert "mqtt://" in words


def test_a_client_that_waits_does_not_hold_the_end_up(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    device = server.join("dev-1")
    number = server.push(server.release("1.0.0", 1))
    revision = server.ask("GET", f"rollouts/{number}")["revision"]
    path = f"/api/v1/rollouts/{number}?after={revision + 100}&wait=60"
    token = (tmp_path / "token").read_text()
    with socket.create_connection(("127.0.0.1", server.options["port"])) as waiting:
        waiting.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n".encode())
        server.ask("GET", "status")
        device.close()
        assert server.stop() == 0

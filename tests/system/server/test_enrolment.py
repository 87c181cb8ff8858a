"""From the invitation to the cut-off, with the commands of controller and agent and brokers that ask for
certificates: the embedded one, and mosquitto as `deploy/` configures it."""

import contextlib
import json
import os
import ssl
import struct
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from controller.delivery.access import Access
from device_agent.credentials import CREDENTIALS
from protocol import cbor, topics
from tests.support.agents import Agent
from tests.support.brokers import free_port
from tests.support.director import wait_until
from tests.support.secured import Client, SecuredBroker
from tests.support.server import Server


class Place:
    def __init__(self, kind, folder, stack):
        self.folder = folder
        if kind == "embedded":
            self.server = Server(folder / "server")
            self.server.options["mqtt_tls"] = True
        else:
            data, port = folder / "server", free_port()
            # What `fleet up` writes at its first start, the broker reads at its own.
            Access(data / "access", ["127.0.0.1"], datetime.now(UTC))
            broker = SecuredBroker("mosquitto", folder / "broker", data / "access", port)
            stack.callback(broker.stop)
            self.server = Server(data, broker.url)
            self.server.options["broker_reload"] = f"kill -HUP {broker.pid}"
        stack.callback(self.server.stop)
        self.server.start()
        self._stack = stack

    def enrol(self, name):
        """`fleet enroll`, `fleet-agent claim`, `fleet-agent run`."""
        enrolment = self.server.ask("POST", "devices", 201, json={"name": name})
        invitation = self.folder / f"{name}.invite"
        invitation.write_bytes(bytes.fromhex(enrolment["invitation"]))
        data = self.folder / name
        program = [sys.executable, "-c", "from device_agent.entry import main; main()"]
        subprocess.run([*program, "claim", invitation, "--data", data], check=True, capture_output=True)
        agent = Agent(data)
        self._stack.callback(agent.kill)
        agent.start()
        return agent


def connected(agent):
    return (agent.get("/fleet/status") or {}).get("connected")


@pytest.fixture(params=["embedded", "mosquitto"])
def place(request, tmp_path):
    with contextlib.ExitStack() as stack:
        yield Place(request.param, tmp_path, stack)


def test_from_the_invitation_to_the_cut_off(place):
    one, two = place.enrol("gate-1"), place.enrol("gate-2")
    for name in ("gate-1", "gate-2"):
        wait_until(lambda name=name: place.server.device(name).capabilities, f"{name} has reported")
    assert (one.data / CREDENTIALS).stat().st_mode & 0o077 == 0
    for secret in ("ca.key", "server.key", "controller.pem"):
        assert (place.server.folder / "access" / secret).stat().st_mode & 0o077 == 0
    began = time.monotonic()
    place.server.ask("DELETE", "devices/gate-1", 204)
    wait_until(lambda: not connected(one), "the revoked one is cut off", seconds=60)
    print(f"cut off after {time.monotonic() - began:.2f} s")  # noqa: T201 - shown by pytest -s
    wait_until(lambda: "tries again" in one.log.read_text(), "it is refused")
    assert connected(two)
    one.stop()


def fleet(place, *words):
    """A command of the desk; gives the JSON that it printed."""
    token = (place.server.folder / "token").read_text()
    env = os.environ | {"FLEET_CONTROLLER": place.server.url, "FLEET_TOKEN": token}
    program = [sys.executable, "-c", "from controller.cli.entry import main; main()"]
    done = subprocess.run(
        [*program, *words, "--json"], env=env, cwd=place.folder, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_an_application_from_its_certificate_to_the_cut_off(place):
    place.enrol("gate-1")
    made = fleet(place, "app", "add", "sorter", "--days", "30")
    tls = ssl.create_default_context(cafile=place.folder / "sorter.pem")
    tls.load_cert_chain(place.folder / "sorter.pem")
    assert made["broker"] == f"mqtts://127.0.0.1:{place.server.broker_port}"
    sorter = Client(place.server.broker_port, "app:sorter", tls)
    with contextlib.closing(sorter):
        sorter.joined().subscribe(topics.every_device("infer/out"))
        place.server.ask("PATCH", "groups/farm-a", json={"add": ["gate-1"]})
        place.server.push(place.server.release("1.0.0", 1))

        def outputs():
            tensor = {"dtype": "float32", "shape": [1, 8], "data": struct.pack("<8f", *range(8))}
            question = cbor.encode({"id": 1, "model": "crop-model", "inputs": {"x": tensor}})
            sorter.publish(topics.device("gate-1", "infer/in"), question, retain=False)
            answer = sorter.seen.get(topics.device("gate-1", "infer/out"))
            return answer and cbor.decode(answer).get("outputs")

        wait_until(outputs, "an answer of the model")
        assert [app["name"] for app in fleet(place, "app", "list")] == ["sorter"]
        assert fleet(place, "app", "remove", "sorter") == {"removed": "sorter"}
        assert sorter.lost.wait(60)
        # It tries again every second.
        wait_until(lambda: not sorter.is_connected, "it is refused")
        assert fleet(place, "app", "list") == []


def test_a_server_killed_before_it_cut_a_device_off_does_so_when_it_starts(tmp_path):
    """mosquitto keeps a session whose certificate it would refuse by now."""
    with contextlib.ExitStack() as stack:
        place = Place("mosquitto", tmp_path, stack)
        agent = place.enrol("gate-1")
        wait_until(lambda: place.server.device("gate-1").capabilities, "gate-1 has reported")
        place.server.ask("DELETE", "devices/gate-1", 204)
        place.server.process.kill()
        place.server.process.wait()
        assert connected(agent)
        place.server.start()
        wait_until(lambda: not connected(agent), "it is cut off", seconds=60)
        agent.stop()


def test_a_server_that_starts_again_is_found_again(place):
    agent = place.enrol("gate-1")
    wait_until(lambda: place.server.device("gate-1").online, "online")
    place.server.stop()
    place.server.start()
    wait_until(lambda: place.server.device("gate-1").online and connected(agent), "online again")


def test_a_broker_for_others_needs_certificates(tmp_path):
    server = Server(tmp_path / "server")
    server.options["mqtt_host"] = "0.0.0.0"  # noqa: S104 - what must be refused
    server.start(wait=False)
    assert server.process.wait(30) == 3
    assert "fleet up --mqtt-host … --mqtt-tls" in server.log.read_text()
    server.stop()

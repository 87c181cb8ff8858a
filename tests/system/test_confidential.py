"""A confidential model on its whole way: what the broker holds of it, and what devices make of it."""

import shutil
import subprocess

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from scripts.demonstration.fleet import BIN, Fleet, wait_until
from tests.support.brokers import Broker
from tests.system.test_first_light import answers, edited, push

WINDOW = 24


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = Broker("mosquitto", tmp_path_factory.mktemp("broker")).start()
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def heard(broker):
    """Everything that anybody publishes, to somebody who sits at the broker."""
    messages: list[tuple[str, bytes]] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "listener")
    client.on_message = lambda _client, _data, message: messages.append((message.topic, message.payload))
    client.on_connect = lambda client, *_: client.subscribe("fleet/#")
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    yield messages
    client.disconnect()
    client.loop_stop()
    client.reinitialise()


@pytest.fixture(scope="module")
def fleet(broker, heard, tmp_path_factory):
    fleet = Fleet(tmp_path_factory.mktemp("fleet"), broker.port)
    try:
        fleet.up()
        fleet.join(2, "farm-a")
        yield fleet
    finally:
        fleet.down()


@pytest.fixture(scope="module")
def confidential(tmp_path_factory):
    """crop-model, to be encrypted."""
    project = edited(tmp_path_factory.mktemp("project"), "1.2.0", "1.1.0")
    file = project / "model.toml"
    file.write_text("confidential = true\n" + file.read_text())
    return project


def built(fleet, project, folder):
    """The modules in the clear."""
    shutil.copytree(project, folder / "crop-model", ignore=shutil.ignore_patterns("build"))
    words = [BIN / "fleet", "build", "crop-model", "--project", folder / "crop-model"]
    subprocess.run(words, env=fleet.env, check=True, capture_output=True)
    return [path.read_bytes() for path in (folder / "crop-model" / "build").glob("*.wasm")]


def in_the_clear(modules, payloads):
    """Windows of the modules that somebody can read in messages."""
    windows = {
        module[at : at + WINDOW]
        for module in modules
        for at in range(0, len(module) - WINDOW, WINDOW)
        if len(set(module[at : at + WINDOW])) > WINDOW // 2
    }
    assert len(windows) > 200
    everything = b"".join(payloads)
    return {window for window in windows if window in everything}


def test_the_broker_reads_nothing(fleet, heard, confidential, tmp_path):
    done = push(fleet, "--project", confidential)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "encrypted" in done.stderr + done.stdout
    assert "2 of 2 devices run crop-model 1.2.0" in done.stdout + done.stderr
    for agent in fleet.agents:
        version, right = answers(agent)
        assert version == "1.2.0"
        assert right >= 16
    modules = built(fleet, confidential, tmp_path)
    assert len(modules) == 2
    chunks = [payload for topic, payload in heard if "/chunk/" in topic]
    assert len(chunks) > 5
    assert not in_the_clear(modules, [payload for _, payload in heard])
    # The search finds what is there.
    assert len(in_the_clear(modules, modules)) > 200


def test_who_may_read_the_key_verifies_the_release(fleet, confidential):
    shown = fleet.fleet("release", "verify", "crop-model", "1.2.0", quiet=True).stdout
    assert shown.count("the same bytes") == 2
    shown = fleet.fleet("release", "show", "crop-model", "1.2.0", quiet=True).stdout
    assert "encrypted for the devices it is assigned to" in shown
    assert fleet.json("release", "show", "crop-model", "1.2.0")["confidential"] is True


def test_a_second_push_is_the_same_release(fleet, confidential):
    done = push(fleet, "--project", confidential)
    assert done.returncode == 0, done.stderr


def test_in_the_clear_everybody_reads_it(fleet, heard, tmp_path):
    """The same search, of a release that is not confidential, finds it at the broker."""
    project = edited(tmp_path, "1.3.0", "1.0.0")
    done = push(fleet, "--project", project)
    assert done.returncode == 0, done.stderr
    modules = built(fleet, project, tmp_path / "clear")
    wait_until(lambda: len(in_the_clear(modules[:1], [payload for _, payload in heard])) > 200, "it is heard")

"""The connection to the broker, on a real one."""

import gc
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.delivery import Link
from protocol import topics
from tests.support.brokers import Broker, running
from tests.support.director import wait_until
from tests.support.server import Listener

pytestmark = pytest.mark.broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running("mosquitto", tmp_path) as made:
        yield made


def sockets() -> set[int]:
    """Ids of this process's open sockets; asked without letting the collector close any."""
    return {id(item) for item in gc.get_objects() if isinstance(item, socket.socket) and item.fileno() >= 0}


def test_a_stopped_connection_leaves_no_socket_to_the_collector(broker: Broker) -> None:
    gc.collect()
    gc.disable()
    try:
        before = sockets()
        link = Link(broker.url, lambda *_: None, lambda: None, lambda: topics.root(1), lambda _: None)
        listener = Listener(broker.port, "listener", "fleet/#")
        link.start()
        listener.connect()
        listener.publish("fleet/x", b"1")
        link.stop()
        listener.close()
        assert sockets() <= before
    finally:
        gc.enable()


def test_a_flood_is_bounded_and_the_last_reports_are_read_after_it(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.delivery.link.MAX_WAITING", 100_000)
    begin, heard, held = threading.Event(), [], []

    def handle(device: str, _: str, payload: bytes) -> None:
        begin.wait(30)
        heard.append((device, payload))
        held.append(link._waiting)

    link = Link(broker.url, handle, lambda: None, lambda: topics.root(1), lambda _: None)
    listener = Listener(broker.port, "listener", topics.device("dev-2", "reported"))
    listener.connect()
    link.start()
    wait_until(lambda: link.is_connected, "the link is up")
    for number in range(50):
        listener.publish(topics.device("dev-1", "reported"), bytes([number]) * 10_000)
    listener.publish(topics.device("dev-2", "reported"), bytes(20_000))
    wait_until(lambda: listener.seen, "the broker has delivered the last message")
    begin.set()
    wait_until(lambda: ("dev-2", bytes(20_000)) in heard, "the report that did not fit is read again")
    wait_until(lambda: ("dev-1", bytes([49]) * 10_000) in heard, "so is the newest of the one that flooded")
    assert max(held) <= 100_000
    assert len(heard) < 50
    link.stop()
    listener.close()

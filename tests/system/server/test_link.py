"""The connection to the broker, on a real one."""

import gc
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.delivery import Link
from protocol import topics
from tests.support.brokers import Broker, running
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

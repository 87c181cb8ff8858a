from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.brokers import Broker
from tests.support.server import Listener, MqttDevice, Server


@dataclass
class Site:
    """A server, its broker when that is not the server's own, and everyone connected."""

    server: Server
    broker: Broker | None
    clients: list[Listener] = field(default_factory=list)

    def join(self, name: str, group: str) -> MqttDevice:
        device = self.server.join(name, group)
        self.clients.append(device)
        return device

    def listen(self, name: str, *subscriptions: str) -> Listener:
        listener = Listener(self.server.broker_port, name, *subscriptions).connect()
        self.clients.append(listener)
        return listener


@pytest.fixture(params=["embedded", "mosquitto"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    broker = Broker("mosquitto", tmp_path / "broker").start() if request.param == "mosquitto" else None
    made = Site(Server(tmp_path / "server", broker.url if broker else None), broker)
    try:
        made.server.start()
        yield made
    finally:
        for client in made.clients:
            client.close()
        made.server.stop()
        if broker:
            broker.stop()

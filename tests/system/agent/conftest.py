"""One broker, one director, one agent."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.agents import Agent
from tests.support.brokers import KINDS, Broker, running
from tests.support.director import Director


@dataclass
class World:
    """What a test of the agent needs."""

    broker: Broker
    director: Director
    agent: Agent


def make_world(kind: str, folder: Path) -> Iterator[World]:
    """Everything on one kind of broker; the agent is not started yet."""
    data = folder / "agent"
    with running(kind, folder / "broker") as broker, Director(broker.port, data) as director:
        agent = Agent(data)
        try:
            yield World(broker, director, agent)
        finally:
            agent.kill()


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """On both kinds of broker; the agent is not started yet."""
    yield from make_world(request.param, tmp_path)


@pytest.fixture
def one_world(tmp_path: Path) -> Iterator[World]:
    """On mosquitto, for what has nothing to do with brokers."""
    yield from make_world("mosquitto", tmp_path)

"""The embedded broker as a child process."""

import os
import signal
import threading
from pathlib import Path

import pytest

from controller.delivery import Broker
from tests.support.brokers import accepts_connect, free_port

pytestmark = pytest.mark.broker


class SlowToReturn(Broker):
    """Comes back to life in the very moment in which it is stopped."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder, port)
        self.returning = threading.Event()
        self.spawned: list[int] = []

    def _spawn(self) -> None:
        if self.spawned:
            self.returning.set()
            self._ending.wait(30)
        super()._spawn()
        assert self.pid is not None
        self.spawned.append(self.pid)


def test_one_that_is_stopped_while_it_comes_back_does_not_stay(tmp_path: Path) -> None:
    broker = SlowToReturn(tmp_path, free_port())
    broker.start()
    os.kill(broker.spawned[0], signal.SIGKILL)
    assert broker.returning.wait(30)
    broker.stop()
    assert len(broker.spawned) == 2
    assert not Path(f"/proc/{broker.spawned[1]}").exists()
    assert not accepts_connect(broker.port)


def test_one_that_cannot_be_started_again_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Broker(tmp_path, free_port())
    broker.start()
    spawn, failed, spawned = broker._spawn, threading.Event(), threading.Event()

    def refuse_once() -> None:
        if not failed.is_set():
            failed.set()
            raise OSError(12, "Cannot allocate memory")
        spawn()
        spawned.set()

    monkeypatch.setattr(broker, "_spawn", refuse_once)
    try:
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        assert spawned.wait(30)
    finally:
        broker.stop()

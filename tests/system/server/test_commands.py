"""A command and its answer over real brokers."""

import threading
import time

import pytest

from protocol import topics
from protocol.commands import RESULT, LayerTimes, Result, accept_command
from tests.support.director import wait_until
from tests.system.server.conftest import Site

pytestmark = pytest.mark.broker


def test_a_device_is_asked_and_its_answer_ends_the_wait(site: Site) -> None:
    device, release = site.join("dev-1", "farm-a"), site.server.release("1.0.0", 1)
    asked = site.server.ask("POST", "devices/dev-1/profiles", 201, json={"model": "crop-model"})
    answers: list[dict[str, object]] = []
    path = f"devices/dev-1/profiles/{asked['id']}"
    waiting = threading.Thread(
        target=lambda: answers.append(site.server.ask("GET", path, params={"wait": 30}))
    )
    waiting.start()
    wait_until(lambda: topics.device("dev-1", "cmd") in device.seen, "the command arrives")
    assert device.fake.verifier is not None
    now = int(time.time())
    signed = device.seen[topics.device("dev-1", "cmd")]
    command = accept_command(device.fake.verifier, signed, now=now, started=now - 60, done=())
    assert command.id.hex() == asked["id"]
    times = LayerTimes(
        manifest=bytes.fromhex(release.manifest), version="1.0.0", target="simd", layers=(10, 20), run=31,
        call=5, rounds=7, times=(1, 1),
    )  # fmt: skip
    result = Result(device="dev-1", id=command.id, profile=times)
    device.say("result", device.fake.authenticate(RESULT, result.encode()))
    waiting.join(30)
    assert [answer["state"] for answer in answers] == ["done"]


def test_a_command_is_not_kept_for_who_comes_later(site: Site) -> None:
    site.join("dev-1", "farm-a")
    site.server.ask("POST", "devices/dev-1/profiles", 201, json={"model": "crop-model"})
    late = site.listen("late", topics.device("dev-1", "cmd"), topics.device("dev-1", "reported"))
    wait_until(lambda: topics.device("dev-1", "reported") in late.seen, "what is retained arrives")
    assert topics.device("dev-1", "cmd") not in late.seen

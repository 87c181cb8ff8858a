"""Commands over a real broker: carried out once, beside what serves, and only for the director."""

import threading
import time

import pytest

from protocol import topics
from protocol.trust import ASSIGNMENT
from tests.support.director import wait_until
from tests.support.fake_module import FakeModule

VALUES = [1.0] * 8
ONE = FakeModule()
pytestmark = pytest.mark.broker


def serve(world):
    world.agent.start()
    built = world.director.release(ONE)
    world.director.assign(built)
    world.director.wait_state(built, "confirmed")
    # A command must be issued in a later second than the start.
    started = int(time.time())
    wait_until(lambda: int(time.time()) > started, "the next second")
    return built


def test_a_profile_is_taken_beside_what_serves(world):
    built = serve(world)
    director, agent = world.director, world.agent
    (serving,) = agent.runner_pids()
    identity = director.ask(director.command(rounds=40))
    result = director.result(identity)
    assert (result.device, result.fault) == ("dev-1", None)
    times = result.profile
    assert (times.manifest, times.version, times.target, times.rounds) == (built.digest, "1.0.0", "simd", 40)
    assert len(times.layers) == len(times.times) == 2
    assert times.call > 0
    # Eight bytes are done within microseconds, in picoseconds.
    assert all(layer < 100_000_000 for layer in times.layers)
    wait_until(lambda: agent.runner_pids() == [serving], "the second process has ended")
    assert agent.infer("crop-model", VALUES)["model_version"] == "1.0.0"


def test_inferences_go_on_while_a_profile_is_taken(one_world):
    serve(one_world)
    director, agent = one_world.director, one_world.agent
    ended, answered = threading.Event(), []

    def ask():
        while not ended.is_set():
            answered.append(agent.infer("crop-model", VALUES)["model_version"])

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        result = director.result(director.ask(director.command()))
    finally:
        ended.set()
        asking.join()
    assert result.fault is None
    assert len(answered) > 20
    assert set(answered) == {"1.0.0"}


def test_what_a_device_cannot_do_it_says(one_world):
    serve(one_world)
    director = one_world.director
    unknown = director.result(director.ask(director.command("frost")))
    assert (unknown.fault.code, unknown.profile) == ("unknown-model", None)
    assert "frost is not on this device" in unknown.fault.text
    odd = director.result(director.ask(director.command(command="dance")))
    assert odd.fault.code == "unknown-command"


def test_two_at_a_time_are_one_too_many(one_world):
    serve(one_world)
    director = one_world.director
    first, second = (director.ask(director.command()) for _ in range(2))
    assert director.result(second).fault.code == "busy"
    assert director.result(first).fault is None


def test_what_is_not_for_this_device_and_this_time_is_answered_by_nobody(one_world):
    serve(one_world)
    director = one_world.director
    now = int(time.time())
    good = director.command()
    bad = {
        "expired": director.command(issued=now - 120, expires=now - 60),
        "too long": director.command(expires=now + 301),
        "future": director.command(issued=now + 200, expires=now + 260),
        "before the start": director.command(issued=now - 250, expires=now + 30),
        "another device": director.command(device="dev-2"),
        "another kind": director.command(kind=ASSIGNMENT),
        "garbage": b"\xd8\x62\x84",
    }
    topic = topics.device("dev-1", "cmd")
    for signed in bad.values():
        director.publish(topic, signed, retain=False)
    identity = director.ask(good)
    director.result(identity)
    assert list(director.results) == [identity]
    # The same once more is a replay; the next good one shows that it had its turn.
    del director.results[identity]
    director.publish(topic, good, retain=False)
    last = director.ask(director.command("frost"))
    director.result(last)
    assert list(director.results) == [last]
    log = one_world.agent.log.read_text()
    assert log.count("refused a command") == len(bad) + 1

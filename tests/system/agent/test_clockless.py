"""A device without a clock: the director tells it the time, in answer to a nonce, and nobody else."""

import time

import pytest

from protocol import topics
from protocol.documents import Desired
from tests.support.agents import Agent
from tests.support.director import wait_until
from tests.support.fake_module import FakeModule

VALUES = [1.0] * 8
ONE, TWO = FakeModule(), FakeModule(version="1.1.0", key=2)
pytestmark = pytest.mark.broker


@pytest.fixture
def world(one_world):
    """The agent asks for the time and is not told yet."""
    one_world.agent.kill()
    one_world.agent = Agent(one_world.agent.data, "--no-clock")
    one_world.agent.start()
    asked(one_world, 1)
    yield one_world
    one_world.agent.kill()


def asked(world, count):
    """The newest nonce, once there are so many."""
    wait_until(lambda: len(world.director.nonces) >= count, "the device asks for the time")
    return world.director.nonces[-1]


def fault(world, code):
    return world.director.wait(
        lambda r: r.fault is not None and r.fault.code == code, f"fault {code}"
    ).fault.text


def serving(world):
    """`ONE` is confirmed; the device knows the time."""
    one = world.director.release(ONE, 1)
    world.director.assign(one)
    world.director.tell_time(world.director.time_answer(world.director.nonces[-1]))
    world.director.wait_state(one, "confirmed")
    return one


def test_nothing_is_installed_before_the_time_is_told(world):
    one = world.director.release(ONE, 1)
    world.director.assign(one)
    assert "has no clock" in fault(world, "no-time")
    assert world.director.report.models == {}
    world.director.tell_time(world.director.time_answer(world.director.nonces[-1]))
    report = world.director.wait_state(one, "confirmed")
    assert report.fault is None
    assert world.agent.infer("crop-model", VALUES)["model_version"] == "1.0.0"


def test_an_answer_is_good_for_one_start(world):
    """Replayed after the next start, when the broker would like the device to believe in the past."""
    old = world.director.time_answer(world.director.nonces[-1])
    serving(world)
    world.agent.kill()
    count = len(world.director.nonces)
    world.agent.start()
    asked(world, count + 1)
    world.director.tell_time(old)
    two = world.director.release(TWO, 2)
    world.director.assign(two)
    fault(world, "no-time")
    assert world.agent.infer("crop-model", VALUES)["model_version"] == "1.0.0", "what runs goes on running"
    world.director.tell_time(world.director.time_answer(world.director.nonces[-1]))
    world.director.wait_state(two, "confirmed")


def test_an_assignment_that_is_withheld_is_noticed(world):
    """The broker delivers an old assignment and keeps the newer one; the time answer gives it away."""
    serving(world)
    two = world.director.release(TWO, 2)
    models = {"crop-model": Desired(manifest=two.digest, observe=(3, 0))}
    older = world.director.assignment(models)
    newer = world.director.assignment({})
    world.agent.kill()
    count = len(world.director.nonces)
    world.agent.start()
    nonce = asked(world, count + 1)
    world.director.tell_time(world.director.time_answer(nonce))
    world.director.publish(topics.device("dev-1", "desired"), older)
    fault(world, "withheld")
    assert world.director.report.models["crop-model"].running.version == "1.0.0"
    world.director.publish(topics.device("dev-1", "desired"), newer)
    world.director.wait(lambda r: not r.models, "the newer one counts")


def test_expiry_is_judged_by_the_directors_time(world):
    one = world.director.release(ONE, 1)
    world.director.assign(one)
    later = int(time.time()) + 30 * 86_400
    world.director.tell_time(world.director.time_answer(world.director.nonces[-1], now=later))
    fault(world, "expired")
    assert world.director.report.models == {} or not any(
        model.running for model in world.director.report.models.values()
    )


@pytest.mark.parametrize(("nonce", "change"), [(None, {"device": "dev-2"}), (bytes(16), {})])
def test_what_is_not_this_devices_answer(world, nonce, change):
    one = world.director.release(ONE, 1)
    world.director.assign(one)
    world.director.tell_time(world.director.time_answer(nonce or world.director.nonces[-1], **change))
    fault(world, "no-time")
    world.director.tell_time(world.director.time_answer(world.director.nonces[-1]))
    world.director.wait_state(one, "confirmed")

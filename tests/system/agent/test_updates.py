"""Installing, upgrading, resuming, going back: with a real broker and real processes."""

import itertools
import os
import signal
import threading
from dataclasses import replace

import pytest

from device_agent.update.worker import MAX_UNEXPLAINED_DEATHS
from protocol import topics
from tests.support.agents import floats
from tests.support.director import Source, build, wait_until
from tests.support.fake_module import FakeModule

VALUES = [0.5, 1.0, -1.0, 2.0, 3.5, -4.0, 5.0, 6.0]
QUANTIZED = bytes(int(v * 2) & 0xFF for v in VALUES)
ONE, TWO = FakeModule(), FakeModule(version="1.1.0", key=2)
SLOW = (10_000, 600)
"""An observation that does not end by itself."""

pytestmark = pytest.mark.broker


class Traffic:
    """Requests without a pause from one thread; every answer is checked."""

    def __init__(self, agent, *fakes):
        self._agent = agent
        self._right = {fake.version: floats(fake.answer(QUANTIZED)) for fake in fakes}
        self._model = fakes[0].name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.versions: list[str] = []
        self.lost: list[object] = []

    def _send(self):
        while not self._stop.is_set():
            try:
                body = self._agent.infer(self._model, VALUES)
            except Exception as error:  # noqa: BLE001 - each counts as lost, whatever it is
                self.lost.append(error)
                return
            if body["outputs"][0]["data"] != self._right[body["model_version"]]:
                self.lost.append(body)
            self.versions.append(body["model_version"])

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def order(versions):
    return [version for version, _ in itertools.groupby(versions)]


def test_upgrade_between_two_inferences_loses_none(world):
    director, agent = world.director, world.agent
    agent.start()
    one, two = director.release(ONE, 1), director.release(TWO, 2)
    director.assign(one)
    director.wait_state(one, "confirmed")
    with Traffic(agent, ONE, TWO) as traffic:
        wait_until(lambda: len(traffic.versions) > 20, "traffic flows")
        director.assign(two, observe=(50, 60))
        report = director.wait_state(two, "confirmed")
        wait_until(lambda: traffic.versions[-1:] == ["1.1.0"], "the new release answers")
    assert traffic.lost == []
    assert order(traffic.versions) == ["1.0.0", "1.1.0"]
    model = report.models["crop-model"]
    assert model.running is not None
    assert (model.running.version, model.golden, model.fault) == ("1.1.0", (3, 3), None)
    states = order([r.models["crop-model"].state for r in director.reports if "crop-model" in r.models])
    assert states[0] in ("fetching", "verifying", "loading", "testing")
    assert states[-1] == "confirmed"
    assert report.root == 1
    assert not report.stale
    numbers = [(r.boot, r.sequence) for r in director.reports]
    assert numbers == sorted(set(numbers))


def test_a_killed_agent_resumes_a_fetch_and_serves_meanwhile(world):
    director, agent = world.director, world.agent
    big_one = FakeModule(weights=300_000, shared=0)
    big_two = replace(big_one, version="1.1.0", key=2)
    agent.start()
    one = director.release(big_one, 1)
    director.assign(one)
    director.wait_state(one, "confirmed")
    two = build(Source.of(big_two), director.keys.release, 2)
    held_back = two.chunks[-8:]
    director.publish_release(two, omit=held_back)
    director.assign(two)
    expected = sum(len(two.blobs[digest]) for digest in two.chunks[:-8])
    director.wait(lambda r: r.models["crop-model"].have >= expected, "all there is has been fetched")
    director.wait(lambda r: set(r.missing) & set(held_back), "what is not there is reported as missing")
    agent.kill()
    director.reports.clear()
    agent.start()
    assert agent.infer("crop-model", VALUES)["model_version"] == "1.0.0"
    for digest in held_back:
        director.publish(topics.chunk(digest), two.blobs[digest])
    report = director.wait_state(two, "confirmed")
    model = report.models["crop-model"]
    assert model.received <= sum(len(two.blobs[digest]) for digest in held_back)
    assert model.reused == expected


def test_chunks_of_the_installed_module_are_not_fetched_again(world):
    director, agent = world.director, world.agent
    first = FakeModule(weights=200_000, shared=180_000)
    agent.start()
    one, two = director.release(first, 1), director.release(replace(first, version="1.1.0", key=2), 2)
    director.assign(one)
    director.wait_state(one, "confirmed")
    director.assign(two)
    model = director.wait_state(two, "confirmed").models["crop-model"]
    shared = sum(len(two.blobs[d]) for d in set(one.chunks) & set(two.chunks))
    assert model.reused >= shared > 150_000
    assert model.received < 40_000


def test_two_models_side_by_side_and_removal_of_one(world):
    director, agent = world.director, world.agent
    frost = FakeModule(name="frost", key=9)
    agent.start()
    one, other = director.release(ONE), director.release(frost)
    director.assign(one, other)
    director.wait_state(one, "confirmed")
    director.wait_state(other, "confirmed")
    assert agent.infer("frost", VALUES)["outputs"][0]["data"] == floats(frost.answer(QUANTIZED))
    assert len(agent.runner_pids()) == 2
    director.assign(one)
    director.wait(lambda r: "frost" not in r.models, "frost is gone")
    assert agent.get("/v2/models/frost") is None
    assert len(agent.runner_pids()) == 1
    assert agent.infer("crop-model", VALUES)["model_version"] == "1.0.0"


def test_going_back_to_the_release_before_needs_no_network(one_world):
    director, agent = one_world.director, one_world.agent
    agent.start()
    one, two = director.release(ONE, 1), director.release(TWO, 2)
    for built in (one, two, one):
        director.assign(built)
        model = director.wait_state(built, "confirmed").models["crop-model"]
    assert model.received == 0


def upgrade_to(world, bad, observe=SLOW):
    """Install `ONE`, then push `bad`."""
    director, agent = world.director, world.agent
    agent.start()
    one = director.release(ONE, 1)
    director.assign(one)
    director.wait_state(one, "confirmed")
    built = director.release(bad, 2)
    director.assign(built, observe=observe)
    return built


@pytest.mark.parametrize(
    ("behaviour", "code", "reason"),
    [
        ("wrong", "golden", "golden test: first difference in layer conv_1 (/second/Conv, Conv 1x1 8->8)"),
        ("trap", "trap", "trap in conv_1 (/second/Conv, Conv 1x1 8->8) -> 1x8: out of bounds"),
        ("nonfinite", "nonfinite", "nonfinite in conv_1 (/second/Conv, Conv 1x1 8->8)"),
        ("loop", "deadline", "deadline in conv_1 (/second/Conv, Conv 1x1 8->8) -> 1x8: ran longer than"),
    ],
)
def test_a_bad_release_fails_its_golden_test_and_names_the_layer(one_world, behaviour, code, reason):
    bad = replace(TWO, behaviour=behaviour, deadline=100)
    built = upgrade_to(one_world, bad)
    model = one_world.director.wait_state(built, "failed").models["crop-model"]
    assert model.fault is not None
    assert (model.fault.code, model.fault.layer, model.fault.manifest) == (code, 1, built.digest)
    assert reason in model.fault.text
    assert model.running is not None
    assert model.running.version == "1.0.0"
    assert one_world.agent.infer("crop-model", VALUES)["model_version"] == "1.0.0"


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [("trap", "trap"), ("nonfinite", "nonfinite"), ("loop", "deadline"), ("divide", "trap")],
)
def test_a_release_that_fails_at_work_is_rolled_back_and_no_request_is_lost(one_world, behaviour, code):
    # Three golden runs and ten inferences are good, then it fails.
    bad = replace(TWO, behaviour=behaviour, after=13, deadline=100)
    built = upgrade_to(one_world, bad)
    director, agent = one_world.director, one_world.agent
    director.wait_state(built, "observing")
    with Traffic(agent, ONE, TWO) as traffic:
        model = director.wait_state(built, "failed").models["crop-model"]
        wait_until(lambda: traffic.versions[-1:] == ["1.0.0"], "the old release answers again")
    assert traffic.lost == []
    assert order(traffic.versions) == ["1.1.0", "1.0.0"]
    assert model.fault is not None
    assert model.fault.code == code
    assert "conv_1 (/second/Conv" in model.fault.text


def test_a_failed_release_is_remembered_until_another_attempt(one_world):
    bad = replace(TWO, behaviour="trap")
    built = upgrade_to(one_world, bad)
    director, agent = one_world.director, one_world.agent
    director.wait_state(built, "failed")
    agent.kill()
    director.reports.clear()
    agent.start()
    director.wait_state(built, "failed")
    seen = {r.models["crop-model"].state for r in director.reports if "crop-model" in r.models}
    assert seen == {"failed"}
    # The log, not the reports: a trial can begin and end between two of them.
    trials = agent.log.read_text().count("crop-model: testing")
    assert trials == 2  # of 1.0.0, and of the bad release
    director.assign(built, attempt=1)
    wait_until(
        lambda: agent.log.read_text().count("crop-model: testing") == trials + 1, "the release is tried again"
    )
    director.wait(lambda r: r.generation == director.generation, "the new attempt is reported")
    director.wait_state(built, "failed")


def test_an_agent_that_crashes_again_and_again_in_the_trial_goes_back(one_world):
    built = upgrade_to(one_world, TWO)
    director, agent = one_world.director, one_world.agent
    director.wait_state(built, "observing")
    for _ in range(4):
        agent.kill()
        agent.start()
    model = director.wait_state(built, "failed").models["crop-model"]
    assert model.fault is not None
    assert model.fault.code == "crash-loop"
    assert agent.infer("crop-model", VALUES)["model_version"] == "1.0.0"


def test_a_runner_killed_from_outside_comes_back_and_nothing_is_lost(one_world):
    director, agent = one_world.director, one_world.agent
    agent.start()
    one = director.release(ONE)
    director.assign(one)
    director.wait_state(one, "confirmed")
    with Traffic(agent, ONE) as traffic:
        for _ in range(3):
            count = len(traffic.versions)
            wait_until(lambda c=count: len(traffic.versions) > c + 20, "traffic flows")
            (pid,) = agent.runner_pids()
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda p=pid: agent.runner_pids() not in ([], [p]), "another runner is there")
    assert traffic.lost == []


def test_a_runner_killed_while_it_loads_comes_back(one_world):
    director, agent = one_world.director, one_world.agent
    agent.start()
    one = director.release(ONE)
    director.assign(one)
    director.wait_state(one, "confirmed")
    killed: set[int] = set()

    def kill_more_than_are_forgiven_at_once():
        for pid in set(agent.runner_pids()) - killed:
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        return len(killed) > MAX_UNEXPLAINED_DEATHS + 1

    wait_until(kill_more_than_are_forgiven_at_once, "runners are killed again and again")
    wait_until(lambda: agent.get("/v2/models/crop-model/ready"), "the model is back")
    assert agent.infer("crop-model", VALUES)["model_version"] == "1.0.0"


def test_what_was_fetched_of_a_model_no_longer_wanted_is_removed(one_world):
    director, agent = one_world.director, one_world.agent
    agent.start()
    frost = build(Source.of(FakeModule(name="frost")), director.keys.release)
    director.publish_release(frost, omit=frost.chunks[-1:])
    director.assign(frost)
    director.wait(lambda r: "frost" in r.models and r.models["frost"].have > 0, "the fetch has begun")
    director.assign()
    director.wait(lambda r: "frost" not in r.models, "frost is gone")
    assert [path for path in (agent.data / "models").rglob("*") if path.is_file()] == []


def test_runners_die_with_the_agent(one_world):
    director, agent = one_world.director, one_world.agent
    agent.start()
    looping = director.release(replace(ONE, behaviour="loop", after=3, deadline=60_000))
    director.assign(looping, observe=SLOW)
    director.wait_state(looping, "observing")
    (pid,) = agent.runner_pids()
    thread = threading.Thread(target=_expect_nothing, args=(agent,))
    thread.start()
    wait_until(lambda: _cpu_ticks(pid) > 20, "the runner is busy")
    agent.kill()
    wait_until(lambda: not _exists(pid), "the runner has ended")
    thread.join()


def _expect_nothing(agent):
    with pytest.raises(OSError, match=r"."):
        agent.infer("crop-model", VALUES)


def _cpu_ticks(pid):
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - one line of a kernel file
        return int(stat.read().rpartition(")")[2].split()[11])


def _exists(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_broker_down_at_the_start_and_in_the_middle(world):
    director, agent, broker = world.director, world.agent, world.broker
    one, two = director.release(ONE, 1), director.release(TWO, 2)
    director.assign(one)
    broker.stop()
    agent.start()
    assert agent.get("/v2/health/ready") == {"ready": True}
    told = f"broker 127.0.0.1:{broker.port} cannot be reached"
    wait_until(lambda: told in agent.log.read_text(), "the log says so")
    broker.start()
    director.wait_state(one, "confirmed", 60)
    broker.stop()
    assert agent.infer("crop-model", VALUES)["model_version"] == "1.0.0"
    broker.start()
    wait_until(lambda: director.connected, "the director is back", 30)
    director.assign(two)
    director.wait_state(two, "confirmed", 60)
    assert director.presence[-1] == b"online"


def test_a_confirmed_release_serves_without_any_broker(one_world):
    director, agent, broker = one_world.director, one_world.agent, one_world.broker
    agent.start()
    one = director.release(ONE)
    director.assign(one)
    director.wait_state(one, "confirmed")
    assert agent.stop() == 0
    wait_until(lambda: director.presence[-1:] == [b"offline"], "it said goodbye")
    broker.stop()
    agent.start()
    assert agent.infer("crop-model", VALUES)["outputs"][0]["data"] == floats(ONE.answer(QUANTIZED))


def test_presence_and_telemetry(world):
    director, agent = world.director, world.agent
    agent.start()
    one = director.release(ONE)
    director.assign(one)
    director.wait_state(one, "confirmed")
    wait_until(lambda: director.presence[-1:] == [b"online"], "it is online")
    for _ in range(7):
        agent.infer("crop-model", VALUES)
    wait_until(
        lambda: director.telemetry and director.telemetry[-1].models["crop-model"].inferences == 7,
        "telemetry",
    )
    newest = director.telemetry[-1]
    assert newest.versions == {"crop-model": "1.0.0"}
    assert newest.models["crop-model"].p95_us >= newest.models["crop-model"].p50_us > 0
    agent.kill()
    wait_until(lambda: director.presence[-1:] == [b"offline"], "the last will was published")

"""Bad input from the network: each is refused with one clear reason, and nothing is lost."""

import time
from dataclasses import replace

import pytest

from protocol import cose, topics
from protocol.chunks import limit, sha256
from protocol.documents import Desired
from protocol.keys import SoftwareKey
from protocol.trust import ASSIGNMENT
from tests.support.agents import Agent
from tests.support.brokers import running
from tests.support.director import Director, Keys, Source, build
from tests.support.fake_module import FakeModule

VALUES = [1.0] * 8
ONE, TWO = FakeModule(), FakeModule(version="1.1.0", key=2)
pytestmark = pytest.mark.broker


@pytest.fixture
def serving(one_world):
    """`ONE` is confirmed."""
    one_world.agent.start()
    one = one_world.director.release(ONE, 1, floor=1)
    one_world.director.assign(one)
    one_world.director.wait_state(one, "confirmed")
    yield one_world
    assert one_world.agent.infer("crop-model", VALUES)["model_version"] in ("1.0.0", "1.1.0")


def desired(world, data):
    world.director.publish(topics.device("dev-1", "desired"), data)


def fault_of(world, code):
    report = world.director.wait(lambda r: r.fault is not None and r.fault.code == code, f"fault {code}")
    assert report.fault is not None
    return report.fault.text


def model_fault(world, built, code):
    """Wait until the model is reported as failed for this reason; `ONE` must go on."""
    world.director.wait(
        lambda r: (m := r.models["crop-model"]).state == "failed" and m.fault and m.fault.code == code,
        f"{code} is reported",
    )
    model = world.director.report.models["crop-model"]
    assert model.running.version == "1.0.0"
    assert model.wanted == built.digest
    return model.fault.text


def test_a_manifest_signed_by_a_wrong_key(serving):
    stranger = SoftwareKey.generate()
    built = build(Source.of(TWO), stranger, 2)
    serving.director.publish_release(built)
    serving.director.assign(built)
    text = model_fault(serving, built, "signature")
    assert stranger.public.id.hex() in text
    assert "which root 1 does not list for role release" in text


def test_the_same_manifest_signed_rightly_is_then_taken(serving):
    bad = build(Source.of(TWO), SoftwareKey.generate(), 2)
    serving.director.publish_release(bad)
    serving.director.assign(bad)
    model_fault(serving, bad, "signature")
    good = build(Source.of(TWO), serving.director.keys.release, 2)
    assert good.digest == bad.digest
    serving.director.publish_release(good)
    serving.director.wait_state(good, "confirmed")


def test_a_corrupted_chunk(serving):
    built = build(Source.of(TWO), serving.director.keys.release, 2)
    victim = built.chunks[0]
    tampered = bytes([built.blobs[victim][0] ^ 1]) + built.blobs[victim][1:]
    serving.director.publish_release(built, omit=[victim])
    serving.director.publish(topics.chunk(victim), tampered)
    serving.director.assign(built)
    text = model_fault(serving, built, "digest")
    assert f"chunk sha256:{victim.hex()[:8]}" in text
    serving.director.publish(topics.chunk(victim), built.blobs[victim])
    serving.director.wait_state(built, "confirmed")


def test_a_corrupted_chunk_that_is_repaired_in_time_does_no_harm(serving):
    built = build(Source.of(TWO), serving.director.keys.release, 2)
    victim = built.chunks[0]
    serving.director.publish_release(built, omit=[victim])
    serving.director.publish(topics.chunk(victim), b"x")
    serving.director.assign(built)
    serving.director.wait(lambda r: victim in r.missing, "the chunk is reported as missing")
    serving.director.publish(topics.chunk(victim), built.blobs[victim])
    serving.director.wait_state(built, "confirmed")


def test_an_endless_chunk(serving):
    source = replace(Source.of(TWO), boundaries=[])
    built = build(source, serving.director.keys.release, 2)
    victim = built.chunks[0]
    serving.director.publish_release(built, omit=[victim])
    serving.director.publish(topics.chunk(victim), bytes(20 * limit("simd")))
    serving.director.assign(built)
    assert "655360 bytes" in model_fault(serving, built, "digest")


def test_an_index_that_is_not_the_manifests(serving):
    built = build(Source.of(TWO), serving.director.keys.release, 2)
    changed = built.manifest.targets["simd"].model_copy(update={"size": 1000})
    manifest = built.manifest.model_copy(update={"targets": {"simd": changed}})
    lying = replace(
        built,
        manifest=manifest,
        digest=sha256(manifest.encode()),
        signed=cose.sign("manifest", manifest.encode(), [serving.director.keys.release]),
    )
    serving.director.publish_release(lying)
    serving.director.assign(lying)
    assert "1000 bytes are the module" in model_fault(serving, lying, "index")


def test_a_module_that_is_not_the_manifests(serving):
    built = build(Source.of(TWO), serving.director.keys.release, 2)
    changed = built.manifest.targets["simd"].model_copy(update={"sha256": bytes(32)})
    manifest = built.manifest.model_copy(update={"targets": {"simd": changed}})
    lying = replace(
        built,
        manifest=manifest,
        digest=sha256(manifest.encode()),
        signed=cose.sign("manifest", manifest.encode(), [serving.director.keys.release]),
    )
    serving.director.publish_release(lying)
    serving.director.assign(lying)
    assert "module is not sha256:00000000" in model_fault(serving, lying, "digest")


def test_a_release_for_another_class_of_device(serving):
    built = serving.director.release(replace(TWO, classes=("camera",)), 2)
    serving.director.assign(built)
    assert "is for camera, this device is of class linux" in model_fault(serving, built, "wrong-class")


def test_a_module_too_large_for_the_device(serving):
    source = replace(Source.of(TWO), memory=1 << 40)
    built = build(source, serving.director.keys.release, 2)
    serving.director.publish_release(built)
    serving.director.assign(built)
    assert "needs 1099511627776 B of memory" in model_fault(serving, built, "no-fit")


def test_a_release_below_the_floor(serving):
    built = build(Source.of(TWO), serving.director.keys.release, 0)
    serving.director.publish_release(built)
    serving.director.assign(built)
    assert "below the floor 1" in model_fault(serving, built, "below-floor")


def test_the_floor_outlives_the_models_removal(one_world):
    director, agent = one_world.director, one_world.agent
    agent.start()
    new = director.release(TWO, 7, floor=7)
    director.assign(new)
    director.wait_state(new, "confirmed")
    director.assign()
    director.wait(lambda r: not r.models, "the model is gone")
    agent.kill()
    agent.start()
    old = director.release(ONE, 6)
    director.assign(old)
    director.wait(
        lambda r: (m := r.models.get("crop-model")) and m.fault and m.fault.code == "below-floor", "refused"
    )


def test_an_expired_assignment(serving):
    built = serving.director.release(TWO, 2)
    now = int(time.time())
    models = {"crop-model": Desired(manifest=built.digest)}
    desired(serving, serving.director.assignment(models, issued=now - 100, expires=now - 50))
    text = fault_of(serving, "expired")
    assert "check the device's clock, and that the controller runs" in text
    assert serving.director.report.models["crop-model"].running.version == "1.0.0"


def test_an_assignment_that_expires_later_stops_installing_and_not_serving(one_world):
    director, agent = one_world.director, one_world.agent
    agent.start()
    one = director.release(ONE, 1)
    director.assign(one)
    director.wait_state(one, "confirmed")
    two = build(Source.of(TWO), director.keys.release, 2)
    director.publish_release(two, omit=two.chunks)
    models = {"crop-model": Desired(manifest=two.digest)}
    desired(one_world, director.assignment(models, expires=int(time.time()) + 2))
    director.wait(lambda r: r.models["crop-model"].state == "fetching", "the fetch has begun")
    report = director.wait(lambda r: r.stale, "it is stale")
    assert report.fault.code == "expired"
    assert report.models["crop-model"].state == "failed"
    assert agent.infer("crop-model", VALUES)["model_version"] == "1.0.0"
    director.publish_release(two)
    director.assign(two)
    director.wait_state(two, "confirmed")


def test_an_older_generation(serving):
    built = serving.director.release(TWO, 2)
    newest = serving.director.generation
    models = {"crop-model": Desired(manifest=built.digest)}
    desired(serving, serving.director.assignment(models, generation=newest - 1))
    assert f"older than the accepted {newest}" in fault_of(serving, "older-generation")


def test_an_assignment_for_another_device(serving):
    desired(serving, serving.director.assignment({}, device="dev-2"))
    assert "assignment is for dev-2, not dev-1" in fault_of(serving, "wrong-device")


def test_an_assignment_by_a_wrong_key(serving):
    good = serving.director.assignment({})
    payload = cose.parse(good, max_payload=8192).payload
    desired(serving, cose.sign(ASSIGNMENT, payload, [SoftwareKey.generate()]))
    assert "does not list for role director" in fault_of(serving, "signature")


@pytest.mark.parametrize("garbage", [b"\x00", b"\xd8\x62\x80", b"x" * 100_000])
def test_an_assignment_that_is_none(serving, garbage):
    desired(serving, garbage)
    fault_of(serving, "malformed")


def test_a_clock_before_the_root_was_issued(tmp_path):
    keys = Keys.new(issued=int(time.time()) + 10 * 86_400)
    data = tmp_path / "a"
    with (
        running("mosquitto", tmp_path / "b") as broker,
        Director(broker.port, data, keys) as director,
    ):
        agent = Agent(data)
        agent.start()
        try:
            one = director.release(ONE)
            director.assign(one)
            report = director.wait(lambda r: r.fault is not None, "the clock is reported as wrong")
        finally:
            agent.kill()
    assert report.fault.code == "clock"
    assert "set the clock" in report.fault.text
    assert report.models == {}


def test_an_assignment_waits_for_the_root_it_needs(serving):
    director = serving.director
    two = director.release(TWO, 2)
    models = {"crop-model": Desired(manifest=two.digest, observe=(3, 1))}
    desired(serving, director.assignment(models, min_root=2))
    fault_of(serving, "root-behind")
    director.publish(topics.root(2), director.keys.signed_root(2))
    report = director.wait_state(two, "confirmed")
    assert report.root == 2
    assert report.fault is None


def test_a_forged_root_changes_nothing(serving):
    serving.director.publish(topics.root(2), Keys.new().signed_root(2))
    fault_of(serving, "signature")
    assert serving.director.report.root == 1

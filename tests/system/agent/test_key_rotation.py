"""A new root arrives while a release does: what is installed then is what the new root allows."""

from dataclasses import replace

import pytest

from protocol import cose, topics
from protocol.keys import SoftwareKey
from protocol.trust import MANIFEST
from tests.support.director import Source, build
from tests.support.fake_module import FakeModule

pytestmark = pytest.mark.broker
ONE, TWO = FakeModule(weights=200_000), FakeModule(version="1.1.0", key=2, weights=200_000, shared=0)


@pytest.fixture
def midway(one_world):
    """`ONE` runs; of `TWO` all but one chunk is there when root 2 takes the release key away."""
    director = one_world.director
    one_world.agent.start()
    one = director.release(ONE, 1)
    director.assign(one)
    director.wait_state(one, "confirmed")
    two = build(Source.of(TWO), director.keys.release, 2)
    held = two.chunks[-1]
    director.publish_release(two, omit=[held])
    director.assign(two)
    waiting = two.manifest.targets["simd"].size - len(two.blobs[held])
    director.wait(lambda r: r.models["crop-model"].have == waiting, "all but one chunk is there")
    keys = replace(director.keys, release=SoftwareKey.generate())
    director.publish(topics.root(2), keys.signed_root(2))
    director.wait(lambda r: r.root == 2, "root 2 is in force")
    director.publish(topics.chunk(held), two.blobs[held])
    return one_world, two, keys


def test_a_key_revoked_meanwhile_installs_nothing(midway):
    world, two, _ = midway
    report = world.director.wait(
        lambda r: (m := r.models["crop-model"]).fault and m.fault.code == "signature", "it is refused"
    )
    model = report.models["crop-model"]
    assert model.running.version == "1.0.0"
    assert model.wanted == two.digest
    assert "which root 2 does not list for role release" in model.fault.text
    assert world.agent.infer("crop-model", [1.0] * 8)["model_version"] == "1.0.0"


def test_the_same_release_signed_anew_goes_on_where_it_was(midway):
    """Nothing is fetched twice."""
    world, two, keys = midway
    signed = cose.sign(MANIFEST, two.manifest.encode(), [keys.release])
    world.director.publish(topics.manifest(two.digest), signed)
    report = world.director.wait_state(two, "confirmed")
    model = report.models["crop-model"]
    assert model.running.version == "1.1.0"
    assert model.received == 0
    assert world.agent.infer("crop-model", [1.0] * 8)["model_version"] == "1.1.0"


def test_a_key_revoked_during_the_trial_confirms_nothing(one_world):
    """The trial ends where it began; under other signatures the same release has another."""
    director = one_world.director
    one_world.agent.start()
    one = director.release(ONE, 1)
    director.assign(one)
    director.wait_state(one, "confirmed")
    two = director.release(TWO, 2, floor=2)
    director.assign(two, observe=(3, 600))
    director.wait_state(two, "observing")
    keys = replace(director.keys, release=SoftwareKey.generate())
    director.publish(topics.root(2), keys.signed_root(2))
    director.wait(lambda r: r.root == 2, "root 2 is in force")
    for _ in range(3):
        one_world.agent.infer("crop-model", [1.0] * 8)
    report = director.wait(
        lambda r: (m := r.models["crop-model"]).fault and m.running.version == "1.0.0", "it has gone back"
    )
    assert report.models["crop-model"].fault.code == "signature"
    assert one_world.agent.infer("crop-model", [1.0] * 8)["model_version"] == "1.0.0"
    signed = cose.sign(MANIFEST, two.manifest.encode(), [keys.release])
    director.publish(topics.manifest(two.digest), signed)
    director.wait_state(two, "observing")
    for _ in range(3):
        one_world.agent.infer("crop-model", [1.0] * 8)
    assert director.wait_state(two, "confirmed").models["crop-model"].received == 0

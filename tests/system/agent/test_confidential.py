"""A real agent with encrypted releases: it opens those that are for it, and no others."""

import secrets
from dataclasses import replace

import pytest

from protocol import cose, topics
from protocol.chunks import sha256
from protocol.documents import IndexPage
from protocol.trust import MANIFEST
from tests.support.director import wait_until
from tests.support.fake_module import FakeModule

VALUES = [1.0] * 8
KEY = secrets.token_bytes(32)
LARGE = FakeModule(weights=400_000)
pytestmark = pytest.mark.broker


@pytest.fixture
def fleet(one_world):
    one_world.agent.start()
    return one_world


def install(fleet, built, key=KEY):
    fleet.director.assign_encrypted(built, fleet.director.wrapped(built, key))
    fleet.director.wait_state(built, "confirmed")


def failed(fleet, code="content-key"):
    report = fleet.director.wait(
        lambda r: (m := r.models.get("crop-model")) and m.fault and m.fault.code == code, f"fault {code}"
    )
    return report.models["crop-model"].fault.text


def test_an_encrypted_release_is_opened_tested_and_served(fleet):
    built = fleet.director.release(LARGE, content_key=KEY)
    clear = LARGE.build()
    assert not any(blob in clear for blob in built.blobs.values())
    install(fleet, built)
    assert fleet.agent.infer("crop-model", VALUES)["model_version"] == "1.0.0"
    (module,) = fleet.agent.data.glob("models/crop-model/*/module")
    assert module.read_bytes() == clear
    report = fleet.director.report.models["crop-model"]
    assert report.golden == (3, 3)
    assert (report.have, report.size) == (len(clear), len(clear))
    assert report.received == len(clear) + 16 * len(built.chunks) + 8 + 16


def test_a_killed_agent_goes_on_with_the_chunks_that_it_has(fleet):
    director, agent = fleet.director, fleet.agent
    built = director.release(LARGE, content_key=KEY)
    held = built.chunks[-2:]
    for digest in held:
        director.publish(topics.chunk(digest), b"")
    director.assign_encrypted(built, director.wrapped(built, KEY))
    size = built.manifest.targets["simd"].size
    least = size - 2 * 32768
    director.wait(lambda r: (m := r.models.get("crop-model")) and m.have >= least, "most of it is there")
    agent.kill()
    for digest in held:
        director.publish(topics.chunk(digest), built.blobs[digest])
    agent.start()
    report = director.wait_state(built, "confirmed").models["crop-model"]
    assert report.reused >= least
    assert report.received <= 2 * (32768 + 16)


def test_a_key_that_does_not_open(fleet):
    """For another device, for another release, altered, none, or of another release."""
    director = fleet.director
    one = director.release(FakeModule(), content_key=KEY)
    install(fleet, one)
    two = director.release(FakeModule(version="1.1.0", key=2), 2, content_key=secrets.token_bytes(32))
    good = director.wrapped(two, KEY)
    for wrapped, what in (
        (None, "the assignment carries none"),
        (director.wrapped(two, KEY, "dev-2"), "does not open"),
        (director.wrapped(one, KEY), "does not open"),
        (good[:-1] + bytes([good[-1] ^ 1]), "does not open"),
        (good, "the assignment carries"),
    ):
        director.assign_encrypted(two, wrapped)
        wait_until(lambda what=what: what in failed(fleet), what)
        assert fleet.agent.infer("crop-model", VALUES)["model_version"] == "1.0.0"


def test_the_right_key_mends_it(fleet):
    """A device that was assigned a release without its key installs it when the key comes."""
    director = fleet.director
    built = director.release(FakeModule(), content_key=KEY)
    director.assign_encrypted(built, None)
    assert "needs content key" in failed(fleet)
    install(fleet, built)


def test_chunks_that_changed_places(fleet):
    """Even the owner's key cannot have a chunk taken at another place than its own."""
    director = fleet.director
    built = director.release(LARGE, content_key=KEY)
    target = built.manifest.targets["simd"]
    page = IndexPage.decode(built.blobs[target.index])
    first, second, *others = page.chunks
    assert first.length != second.length
    swapped = page.model_copy(update={"chunks": (second, first, *others)}).encode()
    manifest = built.manifest.model_copy(
        update={"targets": {"simd": target.model_copy(update={"index": sha256(swapped)})}}
    )
    forged = replace(
        built,
        manifest=manifest,
        digest=sha256(manifest.encode()),
        signed=cose.sign(MANIFEST, manifest.encode(), [director.keys.release]),
        blobs={**built.blobs, sha256(swapped): swapped},
    )
    director.publish_release(forged)
    director.assign_encrypted(forged, director.wrapped(forged, KEY))
    assert "does not open under the release's content key" in failed(fleet)
    director.wait_state(forged, "failed")


def test_from_the_clear_to_encrypted_and_back(fleet):
    director = fleet.director
    one = director.release(FakeModule(), 1)
    director.assign(one)
    director.wait_state(one, "confirmed")
    install(fleet, director.release(FakeModule(version="1.1.0", key=2), 2, content_key=KEY))
    three = director.release(FakeModule(version="1.2.0", key=3), 3)
    director.assign(three)
    director.wait_state(three, "confirmed")
    assert fleet.agent.infer("crop-model", VALUES)["model_version"] == "1.2.0"

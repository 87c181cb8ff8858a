"""Encrypted releases at the controller: whose key they are under, and who is given it."""

from dataclasses import replace

import pytest

from controller.api import make_app
from controller.releases.encrypt import encrypt_targets
from controller.service import ConflictError, NotFoundError
from protocol import api, cbor, cose, topics
from protocol.chunks import sha256
from protocol.confidential import ConfidentialError, content_key_of, key_id, wrapping_key
from protocol.documents import MAX_MANIFEST, Assignment, Manifest
from protocol.errors import FleetError
from protocol.trust import TrustError
from tests.support.asgi import client as client_of
from tests.support.fake_module import FakeModule
from tests.support.fleet import FakeDevice, Fleet, Package, pack

OWNER = "the owner's token in tests"
GRAPH = b"the graph, with all weights"


def package(version: str = "1.0.0", key: int = 1) -> Package:
    """In the clear, with a graph."""
    made = pack(
        FakeModule(version=version, key=key, target="simd"),
        FakeModule(version=version, key=key, target="mvp"),
    )
    provenance = cbor.encode({"graph": sha256(GRAPH).hex()})
    blobs = {sha256(blob).hex(): blob for blob in (GRAPH, provenance)}
    return replace(made, blobs=made.blobs | blobs, provenance=sha256(provenance))


def content_key(fleet: Fleet, made: Package) -> bytes:
    return bytes.fromhex(fleet.service.content_keys.get(made.model, made.version).content_key)


def encrypted(made: Package, key: bytes) -> Package:
    targets, blobs = encrypt_targets(
        made.targets, {bytes.fromhex(name): blob for name, blob in made.blobs.items()}, key
    )
    return replace(made, targets=targets, blobs={name.hex(): blob for name, blob in blobs.items()})


def release(fleet: Fleet, made: Package, **change: object) -> api.Release:
    """What a desk does: reserve in the clear, encrypt, upload, sign."""
    numbers = fleet.service.releases.reserve(
        api.Reserve(model=made.model, version=made.version, content=made.content)
    )
    key = content_key(fleet, made)
    closed = encrypted(made, key)
    for digest, blob in closed.blobs.items():
        fleet.service.context.blobs.put(digest, blob)
    return fleet.register(closed, numbers, **{"content_key": key_id(key)} | change)  # type: ignore[arg-type]


def manifest_of(made: api.Release) -> Manifest:
    signed = cose.parse(bytes.fromhex(made.signed), max_payload=MAX_MANIFEST)
    return Manifest.decode(signed.payload)


def test_a_key_is_of_one_version_and_one_content(fleet: Fleet) -> None:
    with pytest.raises(NotFoundError, match=r"crop-model 1\.0\.0 was never built for release"):
        fleet.service.content_keys.get("crop-model", "1.0.0")
    keys = []
    for made in (package(), package(key=2), package("1.1.0"), package(key=2)):
        fleet.upload(made)
        keys.append(content_key(fleet, made))
        assert content_key(fleet, made) == keys[-1]
    assert len(set(keys)) == 3
    assert keys[1] == keys[3]
    fleet.start()
    assert content_key(fleet, package()) == keys[3]


def test_a_release_is_opened_and_checked(fleet: Fleet) -> None:
    made = release(fleet, package())
    assert made.confidential
    assert [module.target for module in made.modules] == ["mvp", "simd"]
    assert not fleet.release("2.0.0", key=7).confidential


def test_what_does_not_open_is_no_release(fleet: Fleet) -> None:
    made = package()
    fleet.upload(made)
    key = content_key(fleet, made)
    other = bytes(32)
    with pytest.raises(ConflictError, match="under a key that this controller lacks"):
        release(fleet, made, content_key=key_id(other))
    numbers = fleet.upload(encrypted(made, other))
    closed = encrypted(made, other)
    numbers = fleet.service.releases.reserve(
        api.Reserve(model=made.model, version=made.version, content=made.content)
    )
    with pytest.raises(ConfidentialError, match="does not open"):
        fleet.register(closed, numbers, content_key=key_id(key))
    with pytest.raises(FleetError, match="index"):
        fleet.register(closed, numbers)


def opened(device: FakeDevice, made: api.Release) -> bytes | None:
    """What the device makes of its assignment.

    Raises:
        TrustError: it holds no key to the release.
    """
    device.assignment()
    digest = bytes.fromhex(made.manifest)
    assert device.verifier is not None
    mine = wrapping_key(device.private.private_bytes_raw(), device.peer, device.name, digest)
    return content_key_of(device.verifier, manifest_of(made), digest, mine)


def test_each_device_is_given_the_key_wrapped_for_itself(fleet: Fleet) -> None:
    devices = [fleet.join(name) for name in ("a", "b")]
    made = release(fleet, package())
    fleet.push(made)
    canary = next(device for device in devices if device.assignment().models)
    canary.tell(made, "confirmed")
    assert [opened(device, made) for device in devices] == [content_key(fleet, package())] * 2
    wrapped = [device.assignment().models["crop-model"].content_key for device in devices]
    assert len(set(wrapped)) == 2
    assert all(key not in b"".join(payload for _, payload in fleet.broker.published) for key in (
        content_key(fleet, package()),
    ))  # fmt: skip
    assert len(devices[0].verifier.state.assignment or b"") <= 300  # type: ignore[union-attr]


def test_a_release_in_the_clear_comes_with_no_key(fleet: Fleet) -> None:
    device, made = fleet.join("a"), fleet.release()
    fleet.push(made)
    assert device.assignment().models["crop-model"].content_key is None


def test_a_device_that_claims_later_is_given_the_key_then(fleet: Fleet) -> None:
    made = release(fleet, package())
    fleet.join("first")
    fleet.push(made)
    fleet.devices["first"].tell(made, "confirmed")
    invitation = fleet.enrol("late")
    fleet.service.groups.change("farm-a", api.GroupChange(add=["late"]))
    topic = topics.device("late", "desired")
    before = Assignment.decode(cose.parse(fleet.broker.retained[topic], max_payload=8192).payload)
    assert before.models["crop-model"].content_key is None
    late = FakeDevice("late", lambda *_: None, lambda: fleet.broker.retained.get(topic))
    late.accept(
        invitation,
        fleet.service.devices.claim("late", api.Claim(token=invitation.token, public_key=late.public)),
    )
    assert opened(late, made) == content_key(fleet, package())


def test_a_controller_that_lost_its_secret_says_so_and_assigns_the_rest(fleet: Fleet) -> None:
    made = release(fleet, package())
    device = fleet.join("a")
    fleet.start().context.exchange_key = bytes(31) + b"\1"
    fleet.push(made)
    with pytest.raises(TrustError, match="the assignment carries none"):
        opened(device, made)
    events = fleet.service.status.events(None, None, 100)
    assert any("under a key that this controller lacks" in event.text for event in events)


def test_a_viewer_reads_neither_key_nor_graph(fleet: Fleet) -> None:
    made = release(fleet, package())
    graph = sha256(GRAPH).hex()
    with client_of(make_app(fleet.service, OWNER), OWNER) as owner:
        token = owner.post("/api/v1/tokens", json={"name": "alice", "role": "viewer"}).json()["token"]
        seen = {"authorization": f"Bearer {token}"}
        for path in (f"blobs/{graph}", f"releases/{made.model}/{made.version}/content-key"):
            refused = owner.get(f"/api/v1/{path}", headers=seen)
            assert (refused.status_code, "this takes release-manager" in refused.text) == (403, True)
            assert owner.get(f"/api/v1/{path}").status_code == 200
        assert owner.get(f"/api/v1/blobs/{made.modules[0].sha256}", headers=seen).status_code == 404
        read = [
            entry for entry in owner.get("/api/v1/audit").json()["items"] if entry["action"] == "content-key"
        ]
    assert read[-1]["text"] == "read that of crop-model 1.0.0"

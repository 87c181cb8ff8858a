"""Asking a device, and what is believed of its answer."""

import pytest

from controller.service import NotFoundError, OfflineError
from controller.service.commands import KEPT, LIFE, MOST
from protocol import api, topics
from protocol.commands import RESULT, Command, LayerTimes, Result, accept_command
from protocol.documents import Fault
from protocol.errors import InputError
from protocol.module import ModuleMeta
from tests.support.fleet import FakeDevice, Fleet

ASK = api.ProfileRequest(model="crop-model", rounds=9)


def asked(fleet: Fleet, device: FakeDevice, request: api.ProfileRequest = ASK) -> tuple[str, Command]:
    """The id of what was asked, and the command as the device accepts it."""
    found = fleet.service.commands.profile(device.name, request)
    assert found.state == "waiting"
    sent = [payload for topic, payload in fleet.broker.sent if topic == topics.device(device.name, "cmd")]
    assert device.verifier is not None
    command = accept_command(device.verifier, sent[-1], now=fleet.now, started=fleet.now - 1, done=())
    return found.id, command


def times(release: api.Release, **change: object) -> LayerTimes:
    values = {
        "manifest": bytes.fromhex(release.manifest), "version": release.version, "target": "simd",
        "layers": (1_000_000, 2_000_000), "run": 3_100_000, "call": 20_000_000, "rounds": 9, "times": (4, 50),
    }  # fmt: skip
    return LayerTimes(**values | change)


def answer(fleet: Fleet, device: FakeDevice, result: Result, *, by: FakeDevice | None = None) -> None:
    payload = (by or device).authenticate(RESULT, result.encode())
    fleet.service.intake.handle(device.name, "result", payload)


def result(command: Command, **fields: object) -> Result:
    return Result(device=command.device, id=command.id, **fields)


def test_what_a_device_answers(fleet: Fleet) -> None:
    device, release = fleet.join("dev-1"), fleet.release()
    identity, command = asked(fleet, device)
    assert (command.command, command.model, command.rounds) == ("profile", "crop-model", 9)
    assert command.expires - command.issued == LIFE
    answer(fleet, device, result(command, profile=times(release)))
    found = fleet.service.commands.get("dev-1", identity)
    assert (found.state, found.version, found.target, found.rounds) == ("done", "1.0.0", "simd", 9)
    assert found.layers == [1e-6, 2e-6]
    assert (found.run, found.call, found.times) == (3.1e-6, 2e-5, [4, 50])
    meta = ModuleMeta.decode(bytes.fromhex(found.metadata or ""))
    assert [layer.name for layer in meta.layers] == ["/first/Add", "/second/Conv"]


def test_a_device_that_cannot(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    identity, command = asked(fleet, device)
    answer(fleet, device, result(command, fault=Fault(code="busy", text="another is being carried out")))
    found = fleet.service.commands.get("dev-1", identity)
    assert found.state == "failed"
    assert found.fault is not None
    assert found.fault.code == "busy"


@pytest.mark.parametrize(
    "change",
    [{"layers": (1,)}, {"times": (1, 2, 3)}, {"target": "mvp"}, {"manifest": bytes(32)}],
    ids=lambda change: next(iter(change)),
)
def test_times_of_no_release_of_ours(fleet: Fleet, change: dict[str, object]) -> None:
    device, release = fleet.join("dev-1"), fleet.release()
    identity, command = asked(fleet, device)
    answer(fleet, device, result(command, profile=times(release, **change)))
    found = fleet.service.commands.get("dev-1", identity)
    assert (found.state, found.fault and found.fault.code) == ("failed", "mismatch")


def test_an_answer_is_believed_from_its_device_only(fleet: Fleet) -> None:
    device, other, release = fleet.join("dev-1"), fleet.join("dev-2"), fleet.release()
    identity, command = asked(fleet, device)
    good = result(command, profile=times(release))
    answer(fleet, device, good, by=other)
    answer(fleet, other, good)
    answer(fleet, other, good.model_copy(update={"device": "dev-2"}))
    answer(fleet, device, good.model_copy(update={"id": bytes(16)}))
    fleet.service.intake.handle("dev-1", "result", b"\xd1\x84")
    assert fleet.service.commands.get("dev-1", identity).state == "waiting"
    answer(fleet, device, good)
    # The first answer stands.
    answer(fleet, device, result(command, fault=Fault(code="busy", text="busy")))
    assert fleet.service.commands.get("dev-1", identity).state == "done"


def test_no_answer_in_time_is_lost_and_then_forgotten(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    identity, _ = asked(fleet, device)
    fleet.now += LIFE + 1
    assert fleet.service.commands.get("dev-1", identity).state == "lost"
    fleet.now += KEPT
    asked(fleet, device)
    with pytest.raises(NotFoundError):
        fleet.service.commands.get("dev-1", identity)


def test_who_is_offline_is_not_asked(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    device.online(yes=False)
    with pytest.raises(OfflineError, match="dev-1 is offline"):
        fleet.service.commands.profile("dev-1", ASK)
    assert not [topic for topic, _ in fleet.broker.sent if topic.endswith("/cmd")]
    with pytest.raises(NotFoundError):
        fleet.service.commands.profile("dev-9", ASK)


def test_an_answer_is_for_who_asked_that_device(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    fleet.join("dev-2")
    identity, _ = asked(fleet, device)
    with pytest.raises(NotFoundError):
        fleet.service.commands.get("dev-2", identity)


def test_commands_are_bounded(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    for _ in range(MOST):
        fleet.service.commands.profile("dev-1", ASK)
    with pytest.raises(InputError, match="kept already"):
        fleet.service.commands.profile(device.name, ASK)

"""What devices say, and what others say in their name."""

import hashlib

import pytest

from protocol import api, cose
from protocol.documents import Fault, NonceAnswer, Report
from protocol.enrolment import Invitation
from protocol.errors import RefusedError
from protocol.trust import NONCE, REPORT
from tests.support.fleet import NOW, FakeDevice, Fleet


def heard(fleet: Fleet, device: str = "dev-1") -> int | None:
    return fleet.service.devices.get(device).last_seen


def test_a_report_is_believed(fleet: Fleet) -> None:
    fleet.join("dev-1")
    seen = fleet.service.devices.get("dev-1")
    assert (seen.online, seen.claimed, seen.last_seen, seen.reported_generation) == (True, True, NOW, 0)
    assert seen.capabilities is not None


def test_a_report_under_another_key_is_dropped(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    fleet.now += 10
    forged = Report(device="dev-1", boot=9, sequence=9, root=1, generation=77, stale=False)
    fleet.service.intake.handle("dev-1", "reported", device.authenticate(REPORT, forged.encode(), bytes(32)))
    seen = fleet.service.devices.get("dev-1")
    assert (seen.reported_generation, seen.last_seen) == (0, NOW)
    assert any("dropped" in text for text in fleet.texts("dev-1"))


def test_a_report_of_another_device_is_dropped(fleet: Fleet) -> None:
    first, second = fleet.join("dev-1"), fleet.join("dev-2")
    fleet.now += 10
    fleet.service.intake.handle("dev-2", "reported", first.signed_report())
    assert heard(fleet, "dev-2") == NOW
    about_other = Report(device="dev-1", boot=9, sequence=9, root=1, generation=0, stale=False)
    fleet.service.intake.handle("dev-2", "reported", second.authenticate(REPORT, about_other.encode()))
    assert heard(fleet, "dev-2") == NOW


def test_a_replayed_report_is_dropped(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    old = device.signed_report()
    device.report(fault=Fault(code="clock", text="the clock is wrong"))
    fleet.service.intake.handle("dev-1", "reported", old)
    fault = fleet.service.devices.get("dev-1").fault
    assert fault is not None
    assert any("older" in text for text in fleet.texts("dev-1"))


def test_a_report_of_an_older_boot_is_dropped_however_high_its_number(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    device.sequence = 500
    old = device.signed_report(generation=0)
    device.boot, device.sequence = 2, 0
    device.report()
    fleet.now += 10
    fleet.service.intake.handle("dev-1", "reported", old)
    assert heard(fleet) == NOW


def test_the_retained_report_that_comes_again_after_a_restart_is_no_replay(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    last = device.signed_report()
    fleet.service.intake.handle("dev-1", "reported", last)
    before = fleet.texts("dev-1")
    fleet.start().intake.handle("dev-1", "reported", last)
    assert fleet.texts("dev-1") == before


@pytest.mark.parametrize("leaf", ["reported", "telemetry", "nonce"])
@pytest.mark.parametrize("payload", [b"x", b"\xd1\x84", b"\xff" * 40000, b"\xd1" + b"\x9f" * 100])
def test_junk_leaves_nothing_but_an_event(fleet: Fleet, leaf: str, payload: bytes) -> None:
    fleet.join("dev-1")
    before = fleet.service.devices.get("dev-1")
    fleet.service.intake.handle("dev-1", leaf, payload)
    assert fleet.service.devices.get("dev-1") == before


def test_messages_of_strangers_are_ignored(fleet: Fleet) -> None:
    fleet.service.intake.handle("nobody", "reported", b"x")
    fleet.enrol("dev-9")
    fleet.service.intake.handle("dev-9", "presence", b"online")
    assert not fleet.service.devices.get("dev-9").online


def test_presence(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    assert fleet.service.devices.get("dev-1").online
    device.online(yes=False)
    assert not fleet.service.devices.get("dev-1").online


def test_a_nonce_is_answered_by_the_director(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    nonce = bytes(range(16))
    fleet.service.intake.handle("dev-1", "nonce", nonce)
    topic, answer = fleet.broker.sent[-1]
    assert topic == "fleet/v1/d/dev-1/time"
    public = fleet.keys.director.public
    told = NonceAnswer.decode(cose.open1(NONCE, answer, {public.id: public}, max_payload=512))
    assert (told.device, told.nonce, told.now) == ("dev-1", nonce, NOW)
    assert device.verifier is not None
    assert device.verifier.root.version == told.min_root


@pytest.mark.parametrize("size", [1, 15, 33])
def test_nonces_of_other_sizes_are_not_signed(fleet: Fleet, size: int) -> None:
    fleet.join("dev-1")
    fleet.service.intake.handle("dev-1", "nonce", bytes(size))
    assert not fleet.broker.sent


def test_what_a_device_misses_is_published_again(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    release = fleet.release()
    fleet.push(release)
    chunk = next(topic for topic in fleet.broker.retained if "/chunk/" in topic)
    manifest = f"fleet/v1/manifest/{release.manifest}"
    del fleet.broker.retained[chunk], fleet.broker.retained[manifest]
    stranger = hashlib.sha256(b"something that was never ours").digest()
    missing = [bytes.fromhex(topic.rsplit("/", 1)[1]) for topic in (chunk, manifest)]
    device.report(missing=(*missing, stranger))
    assert hashlib.sha256(fleet.broker.retained[chunk]).hexdigest() == chunk.rsplit("/", 1)[1]
    assert manifest in fleet.broker.retained


def test_telemetry_gives_the_rate_of_the_group(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    release = fleet.release()
    fleet.settle(release, fleet.push(release))
    device.measure(1, 120.0)
    (line,) = fleet.service.status.status().groups
    assert (line.rate, line.running, line.wanted) == (120.0, {"1.0.0": 1}, "1.0.0")
    device.measure(1, 999.0)
    assert fleet.service.status.status().groups[0].rate == 120.0
    fleet.pass_time(120)
    assert fleet.service.status.status().groups[0].rate == 0.0


class TestClaim:
    def claim(self, fleet: Fleet, invitation: Invitation, public: str) -> api.Claimed:
        return fleet.service.devices.claim("dev-1", api.Claim(token=invitation.token, public_key=public))

    def test_the_same_device_may_ask_twice_another_may_not(self, fleet: Fleet) -> None:
        invitation = fleet.enrol("dev-1")
        ours, theirs = (FakeDevice(name, print, lambda: None).public for name in ("ours", "theirs"))
        assert self.claim(fleet, invitation, ours) == self.claim(fleet, invitation, ours)
        with pytest.raises(RefusedError, match="used by another device"):
            self.claim(fleet, invitation, theirs)

    def test_a_wrong_token_and_an_unknown_device_get_the_same_answer(self, fleet: Fleet) -> None:
        fleet.enrol("dev-1")
        public = FakeDevice("x", print, lambda: None).public
        said = set()
        for name in ("dev-1", "dev-2"):
            with pytest.raises(RefusedError) as caught:
                fleet.service.devices.claim(name, api.Claim(token="a" * 43, public_key=public))
            said.add(caught.value.what.replace(name, "NAME"))
        assert len(said) == 1

    def test_a_key_of_small_order_is_refused(self, fleet: Fleet) -> None:
        with pytest.raises(RefusedError, match="not sound"):
            self.claim(fleet, fleet.enrol("dev-1"), "00" * 32)


def test_a_broker_that_kept_its_storage_is_given_nothing_again(fleet: Fleet) -> None:
    fleet.join("dev-1")
    release = fleet.release()
    fleet.settle(release, fleet.push(release))
    before = len(fleet.broker.published)
    fleet.service.intake.broker_connected(kept=True)
    assert len(fleet.broker.published) == before


def test_a_broker_that_lost_its_storage_is_given_all_of_it(fleet: Fleet) -> None:
    fleet.join("dev-1")
    release = fleet.release()
    fleet.settle(release, fleet.push(release))
    ours = dict(fleet.broker.retained.items())
    fleet.broker.retained.clear()
    fleet.service.intake.broker_connected(kept=False)
    assert fleet.broker.retained == ours


def test_what_a_killed_controller_had_not_sent_is_sent_by_the_next(fleet: Fleet) -> None:
    fleet.join("dev-1")
    fleet.push(fleet.release())
    ours = {topic for topic in fleet.broker.retained if "/chunk/" in topic or "/manifest/" in topic}
    for topic in ours:
        del fleet.broker.retained[topic]
    fleet.start().intake.broker_connected(kept=True)
    assert ours <= fleet.broker.retained.keys()

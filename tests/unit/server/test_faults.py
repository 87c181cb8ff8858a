"""What fails underneath the use cases - disk, database, one bad row - harms nothing else."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from controller.service.releases import manifest_of
from controller.store import BlobStore
from controller.store import tables as t
from controller.store.errors import StorageError
from protocol import api, topics
from protocol.errors import RefusedError
from tests.support.fake_module import FakeModule
from tests.support.fleet import Fleet, pack, wrong_key


class DiskFullError(Exception):
    """Stands for whatever ends a transaction late."""


def fail_at_the_end(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on every transaction that wrote an event fails when all of it has been done."""

    def event(_tx: Connection, _device: str | None, kind: str, _text: str) -> None:
        if kind in ("assigned", "rollout", "unenrolled"):
            raise DiskFullError

    monkeypatch.setattr(fleet.service.context, "event", event)


def test_what_was_not_stored_was_not_published(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.join("dev-1")
    release = fleet.release()
    before = len(fleet.broker.published)
    fail_at_the_end(fleet, monkeypatch)
    with pytest.raises(DiskFullError):
        fleet.push(release)
    assert len(fleet.broker.published) == before
    monkeypatch.undo()
    assert fleet.settle(release, fleet.push(release)).state == "done"


def test_what_is_published_is_in_the_database_already(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    device = fleet.join("dev-1")
    release = fleet.release()
    publish = fleet.broker.publish
    desired = topics.device(device.name, "desired")
    stored: list[Any] = []

    def look(topic: str, payload: bytes) -> None:
        if topic == desired:
            with fleet.store.engine.connect() as other:
                stored.append(other.execute(t.devices.select()).mappings().one()["assignment"] == payload)
        publish(topic, payload)

    monkeypatch.setattr(fleet.broker, "publish", look)
    fleet.settle(release, fleet.push(release))
    assert stored
    assert all(stored)


def test_an_assignment_that_a_killed_controller_had_not_sent_is_sent_by_the_next(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    fleet.push(fleet.release())
    desired = topics.device(device.name, "desired")
    signed = fleet.broker.retained.pop(desired)
    fleet.start().intake.broker_connected(kept=True)
    fleet.pass_time(5)
    assert fleet.broker.retained[desired] == signed


def test_a_group_that_is_deleted_holds_no_rollout_up(fleet: Fleet) -> None:
    first, second = fleet.join("dev-1", "farm-a"), fleet.join("dev-2", "farm-b")
    release = fleet.release()
    numbers = [fleet.push(release, "farm-a"), fleet.push(release, "farm-b")]
    fleet.service.groups.delete("farm-a")
    for device in (first, second):
        device.tell(release, "confirmed")
    fleet.pass_time(1)
    assert [fleet.rollout(number).state for number in numbers] == ["done", "done"]


def damage(fleet: Fleet, digest: str) -> Path:
    path = fleet.folder / "blobs" / digest[:2] / digest
    path.write_bytes(b"damaged")
    return path


class TestADamagedBlob:
    def chunk(self, fleet: Fleet) -> str:
        return next(topic for topic in fleet.broker.retained if "/chunk/" in topic).rsplit("/", 1)[1]

    def index(self, fleet: Fleet, release: api.Release) -> str:
        with fleet.store.transaction() as tx:
            row = tx.execute(t.releases.select().where(t.releases.c.manifest == release.manifest))
            return manifest_of(row.mappings().one()).targets["simd"].index.hex()

    def test_does_not_silence_the_device_that_misses_it(self, fleet: Fleet) -> None:
        device = fleet.join("dev-1")
        fleet.push(fleet.release())
        chunk = self.chunk(fleet)
        damage(fleet, chunk)
        device.report(missing=(bytes.fromhex(chunk),), stale=True)
        assert fleet.service.devices.get("dev-1").stale
        assert any("damaged" in text for text in fleet.texts())

    def test_does_not_keep_the_others_from_a_broker_that_lost_its_storage(self, fleet: Fleet) -> None:
        fleet.join("dev-1")
        fleet.push(fleet.release())
        ours, chunk = set(fleet.broker.retained), self.chunk(fleet)
        damage(fleet, chunk)
        fleet.broker.retained.clear()
        fleet.service.intake.broker_connected(kept=False)
        assert ours - set(fleet.broker.retained) == {topics.chunk(bytes.fromhex(chunk))}

    def test_does_not_hold_other_rollouts_up(self, fleet: Fleet) -> None:
        first, second = fleet.join("dev-1", "farm-a"), fleet.join("dev-2", "farm-b")
        one = fleet.release("1.0.0", key=1)
        other = fleet.release("1.0.0", key=2, name="second")
        numbers = [fleet.push(one, "farm-a"), fleet.push(other, "farm-b")]
        damage(fleet, self.index(fleet, one))
        first.tell(one, "confirmed")
        second.tell(other, "confirmed")
        fleet.pass_time(1)
        assert [fleet.rollout(number).state for number in numbers] == ["done", "done"]


def test_a_failed_write_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    data = b"x" * 1000
    with pytest.raises(StorageError, match="No space left on device"):
        BlobStore(tmp_path).put(hashlib.sha256(data).hexdigest(), data)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_full_database_is_told_as_such(fleet: Fleet) -> None:
    with fleet.store.transaction() as tx:
        tx.exec_driver_sql("PRAGMA max_page_count=1")

    def fill() -> None:
        for number in range(2000):
            fleet.enrol(f"dev-{number}")

    with pytest.raises(StorageError, match="full") as caught:
        fill()
    assert caught.value.where == str(fleet.folder / "fleet.db")
    assert "free some space" in str(caught.value.remedy)
    count = fleet.service.status.status().devices
    assert [fleet.service.devices.get(f"dev-{number}").name for number in (0, count - 1)]
    with fleet.store.transaction() as tx:
        tx.exec_driver_sql("PRAGMA max_page_count=1000000")
    fleet.enrol(f"dev-{count}")


class TestWithdrawal:
    def test_stops_the_rollouts_of_the_release(self, fleet: Fleet) -> None:
        devices = [fleet.join(f"dev-{number}") for number in range(3)]
        release = fleet.release()
        number = fleet.push(release)
        fleet.service.releases.withdraw(release.model, release.version)
        devices[0].tell(release, "confirmed")
        fleet.pass_time(1)
        found = fleet.rollout(number)
        assert (found.state, [fleet.wants(device.name) for device in devices]) == (
            "stopped", ["1.0.0", None, None],
        )  # fmt: skip
        assert "withdrawn" in found.outcome

    def test_a_pause_cannot_carry_a_rollout_over_it(self, fleet: Fleet) -> None:
        devices = [fleet.join(f"dev-{number}") for number in range(3)]
        release = fleet.release()
        number = fleet.push(release)
        fleet.service.rollouts.act(number, "pause")
        fleet.service.releases.withdraw(release.model, release.version)
        devices[0].tell(release, "confirmed")
        assert fleet.service.rollouts.act(number, "resume").state == "stopped"
        assert fleet.wants("dev-2") is None


class TestHostileDevice:
    def test_cannot_make_the_controller_publish_without_end(self, fleet: Fleet) -> None:
        device = fleet.join("dev-1")
        fleet.push(fleet.release())
        chunks = [topic for topic in fleet.broker.retained if "/chunk/" in topic]
        missing = tuple(bytes.fromhex(topic.rsplit("/", 1)[1]) for topic in chunks)
        before = fleet.broker.count("fleet/v1/chunk/")
        for _ in range(20):
            device.report(missing=missing)
        assert fleet.broker.count("fleet/v1/chunk/") - before == len(chunks)
        fleet.pass_time(30)
        device.report(missing=missing)
        assert fleet.broker.count("fleet/v1/chunk/") - before == 2 * len(chunks)

    def test_cannot_fill_the_disk_with_events(self, fleet: Fleet) -> None:
        device = fleet.join("dev-1")
        fleet.join("dev-2").report(stale=True)
        for number in range(1200):
            device.online(yes=bool(number % 2))
        with fleet.store.transaction() as tx:
            count = len(tx.execute(t.events.select().where(t.events.c.device == "dev-1")).all())
        assert count <= 1000
        assert any("expired" in text for text in fleet.texts("dev-2"))

    @pytest.mark.parametrize("generation", [(1 << 63) - 1, (1 << 63) - 2, 1 << 62])
    def test_cannot_exhaust_generations(self, fleet: Fleet, generation: int) -> None:
        device = fleet.join("dev-1")
        forged = device.signed_report(generation=generation)
        fleet.service.intake.handle("dev-1", "reported", forged)
        release = fleet.release()
        fleet.push(release)
        assert fleet.wants("dev-1") == release.version


def test_a_clock_that_was_ahead_holds_no_reminder_back(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    fleet.now += 30 * 86400
    fleet.push(fleet.release())
    fleet.now -= 30 * 86400
    topic = topics.device(device.name, "desired")
    before = fleet.broker.count(topic)
    fleet.pass_time(1)
    fleet.pass_time(10)
    assert fleet.broker.count(topic) > before


@pytest.mark.parametrize(
    ("wrong", "state"),
    [
        (30 * 86400, "done"),
        # Set forward beyond its timeout, a running rollout stops; pushing again goes on.
        (-30 * 86400, "failed"),
    ],
)
def test_a_wrong_clock_is_made_good_once_it_is_right(fleet: Fleet, wrong: int, state: str) -> None:
    device = fleet.join("dev-1")
    release = fleet.release()
    right = fleet.now
    fleet.now += wrong
    number = fleet.push(release)
    fleet.now = right
    fleet.pass_time(1)
    # The device's own verifier, by the right time, takes the assignment and every later one.
    assert device.assignment(fleet.now).expires > fleet.now
    assert fleet.settle(release, number).state == state
    assert fleet.settle(release, fleet.push(release)).state == "done"
    newer = fleet.release("1.1.0", key=2)
    assert fleet.settle(newer, fleet.push(newer)).state == "done"


def test_after_a_long_outage_expired_assignments_are_signed_anew_at_once(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    release = fleet.release()
    fleet.settle(release, fleet.push(release))
    fleet.now += 10 * 86400
    device.tell(release, "confirmed")
    device.report(stale=True)
    (note,) = fleet.service.status.status().attention
    assert (note.device, note.state, note.text) == ("dev-1", "stale", "its assignment has expired")
    fleet.start()
    fleet.pass_time(1)
    assert device.assignment(fleet.now).expires > fleet.now
    device.report()
    assert fleet.service.status.status().attention == []


def test_a_refused_registration_changes_nothing(fleet: Fleet) -> None:
    package = pack(FakeModule())
    numbers = fleet.upload(package)
    with pytest.raises(RefusedError):
        fleet.register(package, numbers, wrong_key())
    assert fleet.register(package, numbers).version == "1.0.0"

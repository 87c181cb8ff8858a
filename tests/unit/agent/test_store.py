import pytest

from device_agent.errors import DamagedStoreError, DiskFullError
from device_agent.slots.record import GivenUp
from device_agent.slots.store import ModelSlots, stored_models
from protocol.documents import Fault
from protocol.keys import SoftwareKey
from protocol.trust import TrustError
from tests.faults.slots import MODEL, fetch, install
from tests.support.director import Built, Source, build
from tests.support.fake_module import FakeModule
from tests.support.recorded_files import MemoryFiles


@pytest.fixture
def key() -> SoftwareKey:
    return SoftwareKey.generate()


def release(key: SoftwareKey, number: int, **kind) -> Built:
    fake = FakeModule(version=f"1.{number}.0", key=number + 1, weights=40_000, shared=32_768, **kind)
    return build(Source.of(fake), key, sequence=number)


def test_a_release_is_installed_and_found_again(key):
    files, one = MemoryFiles(), release(key, 1)
    install(ModelSlots(files, MODEL), one)
    again = ModelSlots(files, MODEL)
    active = again.active()
    assert active is not None
    assert (active.digest, active.summary.version) == (one.digest, "1.1.0")
    assert stored_models(files) == [MODEL]


def test_a_fetch_resumes_with_the_chunks_that_are_whole(key):
    files, one = MemoryFiles(), release(key, 1)
    slots = ModelSlots(files, MODEL)
    staged = fetch(slots, one, most=2)
    assert len(slots.present(staged)) == 2
    place = staged.layout.places[one.chunks[0]][0]
    files.write(f"models/{MODEL}/{staged.slot}/module", place.offset + 5, b"\xff\xff\xff")
    again = ModelSlots(files, MODEL)
    found = again.staged(one.digest)
    assert found is not None
    assert one.chunks[0] not in again.present(found)
    fetch(again, one)
    again.seal(found)


def test_shared_chunks_are_copied_and_hashed_again(key):
    files, one, two = MemoryFiles(), release(key, 1), release(key, 2)
    slots = ModelSlots(files, MODEL)
    install(slots, one)
    shared = set(one.chunks) & set(two.chunks)
    assert shared
    staged = fetch(slots, two, most=0)
    assert shared <= slots.present(staged)
    damaged = next(iter(shared))
    active = slots.active()
    assert active is not None
    place = active.layout.places[damaged][0]
    content = files.contents[files.names_to_inodes[f"models/{MODEL}/{active.slot}/module"]]
    content[place.offset] ^= 1
    slots.stage(staged.document)
    assert damaged not in slots.reuse(staged, staged.layout.places)


def test_the_slot_on_trial_and_the_confirmed_one_are_never_overwritten(key):
    files = MemoryFiles()
    slots = ModelSlots(files, MODEL)
    install(slots, release(key, 1))
    trial = fetch(slots, release(key, 2))
    slots.seal(trial)
    slots.begin_trial(trial, 0)
    with pytest.raises(StopIteration):
        slots.spare()


def test_a_module_that_is_not_the_manifests_is_not_sealed(key):
    files, one = MemoryFiles(), release(key, 1)
    slots = ModelSlots(files, MODEL)
    staged = fetch(slots, one)
    files.contents[files.names_to_inodes[f"models/{MODEL}/{staged.slot}/module"]][100] ^= 1
    with pytest.raises(TrustError, match="module is not sha256"):
        slots.seal(staged)


def test_given_up_releases_are_remembered(key):
    files, one, two = MemoryFiles(), release(key, 1), release(key, 2)
    slots = ModelSlots(files, MODEL)
    install(slots, one)
    given_up = GivenUp(manifest=two.digest, attempt=3, fault=Fault(code="golden", text="layer", layer=1))
    slots.give_up(given_up)
    again = ModelSlots(files, MODEL)
    assert again.state.given_up == given_up
    install(again, two)
    assert ModelSlots(files, MODEL).state.given_up is None


def test_a_full_disk_names_the_path_and_leaves_the_old_release(key):
    files, one, two = MemoryFiles(), release(key, 1), release(key, 2)
    slots = ModelSlots(files, MODEL)
    install(slots, one)
    files.free = 6000
    with pytest.raises(DiskFullError, match=f"models/{MODEL}/b/module needs [0-9]+ more bytes"):
        fetch(slots, two)
    after = ModelSlots(files, MODEL)
    active = after.active()
    assert active is not None
    assert active.digest == one.digest
    after.read_module(active)
    files.free = None
    install(after, two)


def test_a_damaged_state_is_one_clear_error(key):
    files = MemoryFiles()
    install(ModelSlots(files, MODEL), release(key, 1))
    files.contents[files.names_to_inodes[f"models/{MODEL}/state"]][40] ^= 1
    with pytest.raises(DamagedStoreError) as caught:
        ModelSlots(files, MODEL)
    assert f"models/{MODEL}/state" in str(caught.value)


def test_removal_leaves_nothing(key):
    files = MemoryFiles()
    slots = ModelSlots(files, MODEL)
    install(slots, release(key, 1))
    slots.clear()
    assert list(files.names_to_inodes) == []
    assert stored_models(files) == []
    assert ModelSlots(files, MODEL).active() is None


def test_a_confirmation_carried_out_twice_keeps_the_release(key):
    files, one = MemoryFiles(), release(key, 1)
    slots = ModelSlots(files, MODEL)
    install(slots, one)
    slots.confirm()
    active = ModelSlots(files, MODEL).active()
    assert active is not None
    assert active.digest == one.digest

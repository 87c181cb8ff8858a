"""Reserving, registering, withdrawing."""

import hashlib

import pytest

from controller.service import NotFoundError
from controller.store.database import Store
from protocol import api
from protocol.errors import FleetError, InputError, RefusedError
from tests.support.fake_module import FakeModule
from tests.support.fleet import Fleet, Package, pack, wrong_key


def package(version: str = "1.0.0", key: int = 1, **module: object) -> Package:
    return pack(FakeModule(version=version, key=key, **module))  # type: ignore[arg-type]


def test_a_release_holds_what_its_modules_say(fleet: Fleet) -> None:
    release = fleet.release(targets=("simd", "mvp"))
    assert [module.target for module in release.modules] == ["mvp", "simd"]
    assert (release.sequence, release.withdrawn, release.devices) == (1, False, 0)
    assert [tensor.name for tensor in release.inputs] == ["x"]
    assert [tensor.scale for tensor in release.outputs] == [0.5]
    assert release.provenance == {"by": "a test"}
    assert release.signers == [fleet.keys.release.public.id.hex()]
    assert all(module.chunks > 1 for module in release.modules)


def test_sequence_numbers_grow_and_are_given_once(fleet: Fleet) -> None:
    first, second = package("1.0.0", 1), package("1.1.0", 2)
    assert fleet.upload(first).sequence == 1
    assert fleet.upload(second).sequence == 2
    assert fleet.upload(first).sequence == 1


def test_the_same_content_again_is_the_same_release(fleet: Fleet) -> None:
    made = package()
    release = fleet.register(made, fleet.upload(made))
    assert fleet.upload(made).released == release.manifest
    assert fleet.register(made, fleet.upload(made)) == release


def test_the_same_version_with_other_content_is_refused(fleet: Fleet) -> None:
    fleet.release("1.0.0", key=1)
    with pytest.raises(RefusedError, match=r"1\.0\.0 exists with other content") as caught:
        fleet.upload(package("1.0.0", key=2))
    assert caught.value.exit_code == 5
    assert caught.value.remedy


def test_a_version_that_was_reserved_but_never_released_may_change(fleet: Fleet) -> None:
    fleet.upload(package("1.0.0", key=1))
    other = package("1.0.0", key=2)
    assert fleet.register(other, fleet.upload(other)).version == "1.0.0"


def test_numbers_that_were_not_reserved_are_refused(fleet: Fleet) -> None:
    made = package()
    numbers = fleet.upload(made)
    with pytest.raises(RefusedError, match="not reserved"):
        fleet.register(made, numbers.model_copy(update={"sequence": 7}))


def test_a_signature_by_a_stranger_is_refused(fleet: Fleet) -> None:
    made = package()
    with pytest.raises(RefusedError, match="does not list for role release"):
        fleet.register(made, fleet.upload(made), signer=wrong_key())


def test_a_signature_by_the_director_is_refused(fleet: Fleet) -> None:
    made = package()
    with pytest.raises(RefusedError, match="does not list for role release"):
        fleet.register(made, fleet.upload(made), signer=fleet.keys.director)


def test_a_blob_that_was_not_uploaded_is_named(fleet: Fleet) -> None:
    made = package()
    numbers = fleet.service.releases.reserve(
        api.Reserve(model=made.model, version=made.version, content=made.content)
    )
    with pytest.raises(InputError, match="was not uploaded"):
        fleet.register(made, numbers)


def test_a_blob_under_a_wrong_name_is_refused(fleet: Fleet) -> None:
    with pytest.raises(FleetError, match="SHA-256"):
        fleet.service.context.blobs.put(hashlib.sha256(b"a").hexdigest(), b"b")
    assert not fleet.service.context.blobs.has(hashlib.sha256(b"a").hexdigest())


def test_a_blob_that_the_disk_damaged_is_noticed(fleet: Fleet) -> None:
    name = hashlib.sha256(b"a").hexdigest()
    fleet.service.context.blobs.put(name, b"a")
    (fleet.folder / "blobs" / name[:2] / name).write_bytes(b"x")
    with pytest.raises(FleetError, match="damaged"):
        fleet.service.context.blobs.get(name)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"size": 1}, "bytes are the module"),
        ({"sha256": bytes(32)}, "module is not"),
        ({"memory": 1 << 20}, "B of memory"),
    ],
)
def test_a_manifest_that_lies_about_its_module_is_refused(
    fleet: Fleet, change: dict[str, object], text: str
) -> None:
    made = package()
    target = made.targets["simd"].model_copy(update=change)
    with pytest.raises(RefusedError, match=text):
        fleet.register(made, fleet.upload(made), targets={"simd": target})


def test_a_module_under_another_name_is_refused(fleet: Fleet) -> None:
    made = package()
    with pytest.raises(RefusedError, match=r"the manifest says .* for mvp"):
        fleet.register(made, fleet.upload(made), targets={"mvp": made.targets["simd"]})


def test_modules_that_disagree_are_refused(fleet: Fleet) -> None:
    made = pack(FakeModule(target="simd"), FakeModule(target="mvp", size=16))
    with pytest.raises(RefusedError, match="different inputs or outputs"):
        fleet.register(made, fleet.upload(made))


def test_withdrawing_raises_the_floor_of_the_next_release(fleet: Fleet) -> None:
    fleet.release("1.0.0", key=1)
    fleet.release("1.1.0", key=2)
    assert fleet.service.releases.withdraw("crop-model", "1.1.0").withdrawn
    assert fleet.release("1.2.0", key=3).floor == 3


def test_an_unknown_release_is_answered_with_those_there_are(fleet: Fleet) -> None:
    fleet.release("1.0.0")
    with pytest.raises(NotFoundError) as caught:
        fleet.service.releases.get("crop-model", "9.9.9")
    assert "1.0.0" in str(caught.value)


def test_pages_of_releases_cover_all_of_them_once(fleet: Fleet) -> None:
    for number in range(5):
        fleet.now += 1
        fleet.release(f"1.{number}.0", key=number + 1)
    found, cursor = [], None
    while True:
        page = fleet.service.releases.page(None, cursor, 2)
        found += [release.version for release in page.items]
        if page.next is None:
            break
        cursor = int(page.next)
    assert found == ["1.4.0", "1.3.0", "1.2.0", "1.1.0", "1.0.0"]


def test_migrating_twice_changes_nothing(fleet: Fleet) -> None:
    release = fleet.release()
    again = Store(f"sqlite:///{fleet.folder / 'fleet.db'}")
    again.migrate()
    again.close()
    assert fleet.service.releases.get("crop-model", "1.0.0") == release

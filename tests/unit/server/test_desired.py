"""What a device shall run: membership, retries, renewal, and gates that nothing may go around."""

import pytest

from controller.service.director import LIFETIME
from protocol import api
from protocol.trust import read_root
from tests.support.fleet import Fleet


def test_a_device_that_joins_later_receives_what_the_group_wants(fleet: Fleet) -> None:
    fleet.join("dev-1")
    release = fleet.release()
    fleet.settle(release, fleet.push(release))
    fleet.join("dev-2")
    assert fleet.wants("dev-2") == "1.0.0"


def test_a_device_that_leaves_keeps_what_it_runs(fleet: Fleet) -> None:
    fleet.join("dev-1")
    release = fleet.release()
    fleet.settle(release, fleet.push(release))
    fleet.service.groups.change("farm-a", api.GroupChange(remove=["dev-1"]))
    assert fleet.wants("dev-1") == "1.0.0"


def test_labels_take_a_device_into_a_group(fleet: Fleet) -> None:
    fleet.service.groups.change("north", api.GroupChange(query="site=north"))
    fleet.join("dev-1", None, labels={"site": "north"})
    fleet.join("dev-2", None, labels={"site": "south"})
    release = fleet.release()
    fleet.settle(release, fleet.push(release, "north"))
    assert (fleet.wants("dev-1"), fleet.wants("dev-2")) == ("1.0.0", None)
    fleet.service.devices.set_labels("dev-2", {"site": "north"})
    assert fleet.wants("dev-2") == "1.0.0"
    assert fleet.service.devices.get("dev-2").groups == ["north"]


def test_an_ended_rollout_is_shown_as_it_ended(fleet: Fleet) -> None:
    release = fleet.release()
    for number in range(2):
        fleet.join(f"dev-{number}")
    fleet.devices["dev-1"].online(yes=False)
    number = fleet.push(release, timeout=60)
    fleet.devices["dev-0"].tell(release, "confirmed")
    fleet.pass_time(1)
    ended = fleet.rollout(number)
    assert (ended.state, [device.state for device in ended.devices]) == ("done", ["confirmed", "offline"])
    fleet.pass_time(600)
    fleet.devices["dev-1"].online()
    fleet.devices["dev-1"].tell(release, "confirmed")
    assert fleet.rollout(number) == ended


def test_assignments_are_signed_anew_at_half_their_life(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    fleet.push(fleet.release())
    before = device.assignment(fleet.now)
    fleet.pass_time(LIFETIME // 2 - 1)
    assert device.assignment(fleet.now) == before
    fleet.pass_time(1)
    after = device.assignment(fleet.now)
    assert after.generation == before.generation
    assert after.issued > before.issued
    assert after.expires == after.issued + LIFETIME


def test_a_new_root_is_published_and_asked_for(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    fleet.push(fleet.release())
    fleet.service.add_root(fleet.keys.signed_root(2))
    assert read_root(fleet.broker.retained["fleet/v1/root/2"]).version == 2
    assert device.verifier is not None
    device.verifier = device.verifier.update_root(fleet.broker.retained["fleet/v1/root/2"])
    assert device.assignment(fleet.now).min_root == 2
    assert max(fleet.start().context.roots) == 2


@pytest.mark.parametrize(("version", "floors"), [(1, {"crop-model": 1}), (3, {})])
def test_a_root_that_does_not_follow_is_refused(fleet: Fleet, version: int, floors: dict[str, int]) -> None:
    with pytest.raises(Exception, match="does not follow"):
        fleet.service.add_root(fleet.keys.signed_root(version, floors=floors))


def test_a_database_older_than_the_fleet_goes_past_it(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    fleet.push(fleet.release())
    device.report(generation=40)
    assert device.assignment(fleet.now).generation == 41


def test_unenrolling_clears_what_the_broker_keeps_of_a_device(fleet: Fleet) -> None:
    fleet.join("dev-1")
    fleet.push(fleet.release())
    fleet.service.devices.delete("dev-1")
    assert not [topic for topic in fleet.broker.retained if "/d/dev-1/" in topic]

"""Pushes, rollbacks and removals, as devices and people see them."""

import threading

import pytest

from controller.service import ConflictError, NotFoundError
from protocol import api
from protocol.errors import InputError, RefusedError
from tests.support.fleet import Fleet, capabilities


def test_a_push_reaches_the_canary_first_and_then_the_rest(fleet: Fleet) -> None:
    for number in range(3):
        fleet.join(f"dev-{number}")
    release = fleet.release()
    number = fleet.push(release)
    assert [fleet.wants(name) for name in sorted(fleet.devices)] == ["1.0.0", None, None]
    fleet.devices["dev-0"].tell(release, "confirmed")
    fleet.pass_time(1)
    assert fleet.wants("dev-2") == "1.0.0"
    rollout = fleet.settle(release, number)
    assert rollout.state == "done"
    assert "3 of 3 devices run crop-model 1.0.0" in rollout.outcome
    assert [wave.counts for wave in rollout.waves] == [{"confirmed": 1}, {"confirmed": 2}]


def test_bytes_are_published_once_whatever_the_number_of_devices(fleet: Fleet) -> None:
    for number in range(5):
        fleet.join(f"dev-{number}")
    release = fleet.release()
    fleet.settle(release, fleet.push(release))
    topics = [topic for topic, payload in fleet.broker.published if "/chunk/" in topic and payload]
    assert len(topics) == len(set(topics)) > 1


def test_a_release_that_shares_chunks_publishes_only_what_is_new(fleet: Fleet) -> None:
    fleet.join("dev-1")
    first, second = fleet.release("1.0.0", key=1), fleet.release("1.1.0", key=2)
    fleet.settle(first, fleet.push(first))
    before = fleet.broker.count("fleet/v1/chunk/")
    plan = fleet.service.rollouts.push(
        api.PushRequest(model="crop-model", version="1.1.0", group="farm-a", dry_run=True)
    )
    assert isinstance(plan, api.PushPlan)
    assert 0 < plan.devices[0].bytes < second.modules[0].size
    fleet.push(second)
    assert 0 < fleet.broker.count("fleet/v1/chunk/") - before < before


def test_a_dry_run_changes_nothing(fleet: Fleet) -> None:
    fleet.join("dev-1")
    fleet.join("dev-2", caps=capabilities(targets=("mcu",)))
    fleet.release()
    before = len(fleet.broker.published)
    plan = fleet.service.rollouts.push(
        api.PushRequest(model="crop-model", version="1.0.0", group="farm-a", dry_run=True)
    )
    assert isinstance(plan, api.PushPlan)
    assert [(d.device, d.target, d.wave) for d in plan.devices] == [
        ("dev-1", "simd", 1),
        ("dev-2", None, None),
    ]
    assert "no module for mcu" in plan.devices[1].reason
    assert plan.publish_bytes > 0
    assert len(fleet.broker.published) == before
    assert fleet.wants("dev-1") is None


def test_devices_that_do_not_fit_are_listed_and_left_alone(fleet: Fleet) -> None:
    fleet.join("dev-1")
    fleet.join("dev-2", caps=capabilities(targets=("mcu",)))
    release = fleet.release()
    rollout = fleet.settle(release, fleet.push(release))
    assert rollout.state == "done"
    assert [device.device for device in rollout.unfit] == ["dev-2"]
    assert fleet.wants("dev-2") is None


def test_a_release_that_fits_nobody_is_an_error_that_names_a_device_and_why(fleet: Fleet) -> None:
    fleet.join("dev-1", caps=capabilities(targets=("mcu",)))
    fleet.release()
    with pytest.raises(InputError, match="fits no device of farm-a") as caught:
        fleet.push(fleet.service.releases.get("crop-model", "1.0.0"))
    assert "dev-1" in str(caught.value.where)


def test_unknown_and_empty_groups(fleet: Fleet) -> None:
    release = fleet.release()
    with pytest.raises(NotFoundError, match="no group farm-z"):
        fleet.push(release, "farm-z")
    fleet.service.groups.change("farm-b", api.GroupChange(query="site=nowhere"))
    with pytest.raises(InputError, match="farm-b is empty") as caught:
        fleet.push(release, "farm-b")
    assert "fleet group add farm-b" in str(caught.value.remedy)


def test_withdrawn_releases_are_refused(fleet: Fleet) -> None:
    fleet.join("dev-1")
    release = fleet.release()
    fleet.service.releases.withdraw("crop-model", "1.0.0")
    with pytest.raises(RefusedError, match="was withdrawn"):
        fleet.push(release)


def test_another_interface_needs_permission(fleet: Fleet) -> None:
    fleet.join("dev-1")
    first = fleet.release("1.0.0")
    fleet.settle(first, fleet.push(first))
    second = fleet.release("1.1.0", key=2, size=16)
    with pytest.raises(RefusedError, match="other inputs"):
        fleet.push(second)
    assert fleet.rollout(fleet.push(second, allow_interface_change=True)).state == "running"


def test_a_failed_canary_stops_the_rollout(fleet: Fleet) -> None:
    for number in range(3):
        fleet.join(f"dev-{number}")
    release = fleet.release()
    number = fleet.push(release)
    fleet.devices["dev-0"].fail(release)
    fleet.pass_time(1)
    rollout = fleet.rollout(number)
    assert rollout.state == "failed"
    assert [wave.state for wave in rollout.waves] == ["failed", "waiting"]
    assert "conv_1" in str(rollout.devices[0].fault)
    assert fleet.wants("dev-2") is None


def test_offline_devices_are_listed_and_catch_up(fleet: Fleet) -> None:
    fleet.join("dev-1")
    fleet.join("dev-2").online(yes=False)
    release = fleet.release()
    rollout = fleet.settle(release, fleet.push(release))
    # The one that is away is assigned too: the broker keeps it for when it comes back.
    assert fleet.wants("dev-2") == "1.0.0"
    assert rollout.state == "done"


def test_a_rollback_goes_to_the_release_before(fleet: Fleet) -> None:
    fleet.join("dev-1")
    for version, key in (("1.0.0", 1), ("1.1.0", 2)):
        release = fleet.release(version, key)
        fleet.settle(release, fleet.push(release))
    started = fleet.service.rollouts.rollback(api.RollbackRequest(model="crop-model", group="farm-a"))
    assert started.plan.version == "1.0.0"
    assert fleet.wants("dev-1") == "1.0.0"
    assert fleet.rollout(started.rollout).kind == "rollback"


def test_there_may_be_nothing_to_go_back_to(fleet: Fleet) -> None:
    fleet.join("dev-1")
    with pytest.raises(NotFoundError, match="no other release"):
        fleet.service.rollouts.rollback(api.RollbackRequest(model="crop-model", group="farm-a"))


def test_removing_takes_the_model_off_and_clears_the_broker(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    release = fleet.release()
    fleet.settle(release, fleet.push(release))
    started = fleet.service.rollouts.remove(api.RemoveRequest(model="crop-model", group="farm-a"))
    assert device.assignment(fleet.now).models == {}
    device.report()
    fleet.pass_time(1)
    assert fleet.rollout(started.rollout).state == "done"
    assert not [topic for topic in fleet.broker.retained if "/chunk/" in topic or "/manifest/" in topic]
    with pytest.raises(NotFoundError):
        fleet.service.rollouts.remove(api.RemoveRequest(model="crop-model", group="farm-a"))


def test_pushing_one_model_leaves_the_others_alone(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    crop, frost = fleet.release(), fleet.release(name="frost")
    fleet.settle(crop, fleet.push(crop))
    fleet.push(frost)
    assert set(device.assignment(fleet.now).models) == {"crop-model", "frost"}
    assert fleet.wants("dev-1") == "1.0.0"


def test_a_generation_grows_only_when_the_models_change(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    release = fleet.release()
    fleet.settle(release, fleet.push(release))
    before = device.assignment(fleet.now).generation
    assert fleet.settle(release, fleet.push(release)).state == "done"
    assert device.assignment(fleet.now).generation == before


def test_a_newer_push_supersedes_the_one_before(fleet: Fleet) -> None:
    fleet.join("dev-1")
    first, second = fleet.release("1.0.0", 1), fleet.release("1.1.0", 2)
    old, new = fleet.push(first), fleet.push(second)
    assert fleet.rollout(old).state == "superseded"
    assert fleet.settle(second, new).state == "done"


def test_two_pushes_at_once_have_one_clear_outcome_each(fleet: Fleet) -> None:
    fleet.join("dev-1")
    releases = [fleet.release("1.0.0", 1), fleet.release("1.1.0", 2)]
    numbers: dict[str, int] = {}
    barrier = threading.Barrier(2)

    def push(release: api.Release) -> None:
        barrier.wait(10)
        numbers[release.version] = fleet.push(release)

    threads = [threading.Thread(target=push, args=(release,)) for release in releases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    last = max(numbers, key=lambda version: numbers[version])
    states = {version: fleet.rollout(number).state for version, number in numbers.items()}
    assert states == {last: "running"} | {v: "superseded" for v in numbers if v != last}
    assert fleet.wants("dev-1") == last


def test_in_two_groups_the_latest_push_wins(fleet: Fleet) -> None:
    fleet.join("dev-1")
    fleet.service.groups.change("farm-b", api.GroupChange(add=["dev-1"]))
    first, second = fleet.release("1.0.0", 1), fleet.release("1.1.0", 2)
    fleet.settle(first, fleet.push(first, "farm-b"))
    fleet.settle(second, fleet.push(second, "farm-a"))
    assert fleet.wants("dev-1") == "1.1.0"


def test_pausing_resuming_stopping(fleet: Fleet) -> None:
    for number in range(3):
        fleet.join(f"dev-{number}")
    release = fleet.release()
    number = fleet.push(release)
    assert fleet.service.rollouts.act(number, "pause").state == "paused"
    fleet.devices["dev-0"].tell(release, "confirmed")
    fleet.pass_time(1)
    assert fleet.wants("dev-1") is None
    with pytest.raises(ConflictError):
        fleet.service.rollouts.act(number, "pause")
    assert fleet.service.rollouts.act(number, "resume").state == "running"
    fleet.pass_time(1)
    assert fleet.wants("dev-1") == "1.0.0"
    assert fleet.service.rollouts.act(number, "stop").state == "stopped"
    with pytest.raises(NotFoundError):
        fleet.service.rollouts.act(99, "stop")


def test_what_a_device_is_doing_is_in_the_rollout(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    release = fleet.release()
    number = fleet.push(release)
    device.tell(release, "fetching", have=100, size=900, reused=50, received=60)
    (seen,) = fleet.rollout(number).devices
    assert (seen.state, seen.have, seen.size, seen.reused, seen.received) == ("fetching", 100, 900, 50, 60)
    device.tell(release, "observing", golden=(4, 4), received=850, reused=50)
    rollout = fleet.rollout(number)
    assert rollout.devices[0].golden == (4, 4)
    assert (rollout.sent, rollout.saved) == (850, 50)


def test_every_change_has_a_revision_of_its_own(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    release = fleet.release()
    number = fleet.push(release)
    first = fleet.rollout(number).revision
    device.tell(release, "fetching")
    fleet.pass_time(1)
    assert fleet.rollout(number).revision > first


def test_waiting_for_a_revision_ends_when_it_comes(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    release = fleet.release()
    number = fleet.push(release)
    known = fleet.rollout(number).revision
    found: list[api.Rollout] = []
    waiter = threading.Thread(target=lambda: found.append(fleet.service.rollouts.get(number, known, 30)))
    waiter.start()
    device.tell(release, "confirmed")
    fleet.pass_time(1)
    waiter.join(10)
    assert found
    assert found[0].revision > known


def test_a_rollout_nothing_happens_to_keeps_its_revision(fleet: Fleet) -> None:
    fleet.join("dev-1")
    number = fleet.push(fleet.release())
    fleet.pass_time(1)
    before = fleet.rollout(number).revision
    fleet.pass_time(1)
    assert fleet.rollout(number).revision == before


def test_waiting_ends_when_the_server_does(fleet: Fleet) -> None:
    fleet.join("dev-1")
    number = fleet.push(fleet.release())
    known = fleet.rollout(number).revision
    waiter = threading.Thread(target=lambda: fleet.service.rollouts.get(number, known, 60))
    waiter.start()
    fleet.service.context.close()
    waiter.join(10)
    assert not waiter.is_alive()

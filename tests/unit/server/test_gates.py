"""Gates that nothing may go around, and limits that hold against floods."""

from protocol import api
from tests.support.fleet import Fleet


def start_failing(fleet: Fleet) -> tuple[api.Release, int]:
    """dev-0 is the canary and fails; dev-1 and dev-2 are left alone."""
    for number in range(3):
        fleet.join(f"dev-{number}", labels={"site": "north"})
    release = fleet.release()
    number = fleet.push(release)
    fleet.devices["dev-0"].fail(release)
    fleet.pass_time(1)
    assert fleet.rollout(number).state == "failed"
    return release, number


def test_a_device_that_joins_while_a_rollout_runs_receives_it_in_the_end(fleet: Fleet) -> None:
    fleet.join("dev-1")
    release = fleet.release()
    number = fleet.push(release)
    fleet.join("dev-2")
    assert fleet.settle(release, number).state == "done"
    assert fleet.wants("dev-2") == "1.0.0"


def test_joining_does_not_go_around_a_gate_that_stopped_the_release(fleet: Fleet) -> None:
    start_failing(fleet)
    fleet.join("dev-9")
    assert fleet.wants("dev-9") is None


def test_new_labels_do_not_go_around_a_gate(fleet: Fleet) -> None:
    start_failing(fleet)
    fleet.service.devices.set_labels("dev-2", {"site": "south"})
    assert fleet.wants("dev-2") is None


def test_new_labels_do_not_go_around_a_pause(fleet: Fleet) -> None:
    fleet.join("dev-0")
    fleet.join("dev-1")
    number = fleet.push(fleet.release())
    fleet.service.rollouts.act(number, "pause")
    fleet.service.devices.set_labels("dev-1", {"site": "south"})
    assert fleet.wants("dev-1") is None


def test_joiners_of_a_group_whose_new_release_failed_get_the_one_before(fleet: Fleet) -> None:
    fleet.join("dev-0")
    good, bad = fleet.release("1.0.0", 1), fleet.release("1.1.0", 2)
    fleet.settle(good, fleet.push(good))
    number = fleet.push(bad)
    fleet.devices["dev-0"].fail(bad)
    fleet.pass_time(1)
    assert fleet.rollout(number).state == "failed"
    fleet.join("dev-1")
    assert fleet.wants("dev-1") == "1.0.0"


def test_retrying_changes_the_attempt_and_waits_for_news(fleet: Fleet) -> None:
    release, _ = start_failing(fleet)
    device = fleet.devices["dev-0"]
    before = device.assignment(fleet.now)
    number = fleet.push(release, retry_failed=True)
    after = device.assignment(fleet.now)
    assert after.generation == before.generation + 1
    assert after.models["crop-model"].attempt != before.models["crop-model"].attempt
    fleet.pass_time(1)
    # What it said about the first attempt says nothing about the second.
    assert fleet.rollout(number).state == "running"
    assert fleet.settle(release, number).state == "done"


def test_pushing_again_without_a_retry_says_at_once_that_it_failed_before(fleet: Fleet) -> None:
    release, _ = start_failing(fleet)
    number = fleet.push(release)
    fleet.pass_time(1)
    assert fleet.rollout(number).state == "failed"


def test_canaries_that_vanish_do_not_wave_the_release_through(fleet: Fleet) -> None:
    for number in range(3):
        fleet.join(f"dev-{number}")
    number = fleet.push(fleet.release(), timeout=60)
    fleet.devices["dev-0"].online(yes=False)
    fleet.pass_time(1)
    assert fleet.wants("dev-1") is None
    fleet.pass_time(60)
    rollout = fleet.rollout(number)
    assert (rollout.state, fleet.wants("dev-1")) == ("failed", None)


def test_assignments_are_published_again_until_the_device_has_caught_up(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    fleet.push(fleet.release())
    topic = "fleet/v1/d/dev-1/desired"
    before = fleet.broker.count(topic)
    for _ in range(60):
        fleet.pass_time(1)
    repeated = fleet.broker.count(topic) - before
    assert 1 <= repeated <= 15, "neither never nor every second"
    device.report()
    before = fleet.broker.count(topic)
    for _ in range(60):
        fleet.pass_time(1)
    assert fleet.broker.count(topic) == before


def test_a_wave_does_not_undo_a_later_push_through_another_group(fleet: Fleet) -> None:
    fleet.join("dev-0")
    fleet.join("dev-1")
    fleet.service.groups.change("farm-b", api.GroupChange(add=["dev-1"]))
    first, second = fleet.release("1.0.0", 1), fleet.release("1.1.0", 2)
    older = fleet.push(first, "farm-a")
    newer = fleet.push(second, "farm-b")
    fleet.settle(second, newer)
    fleet.settle(first, older)
    assert (fleet.wants("dev-0"), fleet.wants("dev-1")) == ("1.0.0", "1.1.0")


def test_a_flood_of_forged_reports_does_not_fill_the_disk(fleet: Fleet) -> None:
    fleet.join("dev-1")
    for number in range(300):
        fleet.service.intake.handle("dev-1", "reported", b"junk %d" % number)
    assert len([text for text in fleet.texts("dev-1") if "dropped" in text]) < 10

"""`fleet why` and `fleet status`: what people are told."""

from protocol import api
from tests.support.fleet import NOW, Fleet


def test_the_story_of_a_device_that_failed(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    old, new = fleet.release("1.2.0", 1), fleet.release("1.3.0", 2)
    fleet.settle(old, fleet.push(old))
    fleet.push(new)
    device.report()
    device.tell(new, "verifying", have=900, size=900, received=700, reused=200)
    device.fail(new, "golden test: first difference in conv_12 (/features/3/conv, Conv 1x1 96->24)")
    why = fleet.service.status.why("dev-1")
    assert why.summary == ["dev-1 runs crop-model 1.2.0 and should run 1.3.0."]
    story = "\n".join(event.text for event in why.events)
    for part in ("wants crop-model 1.3.0 for farm-a", "signatures good", "fetched 700 of 900 B, 200 B were",
                 "conv_12 (/features/3/conv, Conv 1x1 96->24)", "runs 1.2.0"):  # fmt: skip
        assert part in story
    assert "fleet push crop-model --group farm-a --retry-failed" in why.remedies


def test_devices_that_need_a_person(fleet: Fleet) -> None:
    release = fleet.release()
    for name in ("dev-fail", "dev-off", "dev-ok"):
        fleet.join(name)
    fleet.enrol("dev-new")
    fleet.devices["dev-off"].online(yes=False)
    fleet.push(release)
    fleet.devices["dev-fail"].fail(release)
    status = fleet.service.status.status()
    assert (status.at, status.devices, status.online, status.failed, status.stale) == (NOW, 4, 2, 1, 0)
    states = {note.device: note.state for note in status.attention}
    assert states == {"dev-fail": "failed", "dev-off": "offline", "dev-new": "invited"}


def test_the_newest_rollouts_are_on_the_page_until_they_are_old_news(fleet: Fleet) -> None:
    fleet.join("dev-1")
    release = fleet.release()
    number = fleet.push(release)
    assert [rollout.id for rollout in fleet.service.status.status().rollouts] == [number]
    fleet.settle(release, number)
    fleet.pass_time(3600)
    assert fleet.service.status.status().rollouts == []


def test_events_page_forward(fleet: Fleet) -> None:
    fleet.join("dev-1")
    everything = fleet.service.status.events(None, None, 500)
    assert [event.kind for event in everything][:2] == ["enrolled", "claimed"]
    assert fleet.service.status.events("dev-1", None, 1)[0].kind == everything[-1].kind


def test_a_device_without_anything(fleet: Fleet) -> None:
    fleet.enrol("dev-1")
    why = fleet.service.status.why("dev-1")
    assert why.summary == ["dev-1 runs nothing, and nothing is wanted of it."]
    assert why.remedies == ["on the device: fleet-agent claim dev-1.invite"]


def test_groups_say_who_is_in_them_and_what_they_want(fleet: Fleet) -> None:
    fleet.join("dev-1")
    release = fleet.release()
    fleet.settle(release, fleet.push(release))
    group = fleet.service.groups.change("farm-a", api.GroupChange(query="site=north"))
    assert group == fleet.service.groups.get("farm-a")
    assert (group.members, group.devices, group.wanted) == (["dev-1"], ["dev-1"], {"crop-model": "1.0.0"})
    fleet.service.groups.delete("farm-a")
    assert fleet.service.groups.list() == []
    assert fleet.wants("dev-1") == "1.0.0"

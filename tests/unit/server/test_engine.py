"""Steps of a rollout."""

import time
from dataclasses import replace

from controller.rollout.engine import Progress, Step, View, Wave, step
from protocol.documents import Fault, ModelReport, Slot
from tests.support.fleet import NOW

NEW, OLD = b"\1" * 32, b"\2" * 32


def progress(*waves: int, manifest: bytes | None = NEW, timeout: int = 600) -> Progress:
    names = [tuple(f"w{number}-{n}" for n in range(size)) for number, size in enumerate(waves, 1)]
    return Progress(
        manifest=manifest, label="crop-model 1.3.0", group="farm-a", created=NOW, timeout=timeout,
        waves=tuple(Wave(f"wave {number}", members) for number, members in enumerate(names, 1)),
    )  # fmt: skip


def report(state: str, *, wanted: bytes = NEW, running: bytes | None = None) -> ModelReport:
    runs = running or (NEW if state in ("confirmed", "observing") else OLD)
    return ModelReport(
        state=state, wanted=wanted, running=Slot(manifest=runs, version="1", sequence=1, target="simd"),
        fault=Fault(code="golden", text="conv_1 differs") if state == "failed" else None,
    )  # fmt: skip


def view(state: str | None = None, *, online: bool = True, converged: bool = True) -> View:
    return View(online, converged, report(state) if state else None)


def run(start: Progress, views: dict[str, View], at: int = 0) -> Step:
    return step(start, views, NOW + at)


def test_the_first_wave_opens_and_the_next_waits() -> None:
    result = run(progress(1, 2), {name: view() for name in ("w1-0", "w2-0", "w2-1")})
    assert result.open == ("w1-0",)
    assert result.states == {"w1-0": "assigned", "w2-0": "waiting", "w2-1": "waiting"}
    assert [wave.state for wave in result.progress.waves] == ["running", "waiting"]


def test_a_wave_that_confirmed_opens_the_next() -> None:
    first = run(progress(1, 2), {"w1-0": view()})
    views = {"w1-0": view("confirmed"), "w2-0": view(), "w2-1": view()}
    second = run(first.progress, views, 5)
    assert second.open == ("w2-0", "w2-1")
    third = run(second.progress, dict.fromkeys(views, view("confirmed")), 9)
    assert third.progress.state == "done"
    assert third.progress.ended == NOW + 9


def test_an_open_wave_is_not_opened_again() -> None:
    first = run(progress(2), {"w1-0": view(), "w1-1": view()})
    assert run(first.progress, {"w1-0": view("fetching"), "w1-1": view()}, 1).open == ()


def test_one_failed_device_stops_the_rollout_but_lets_its_wave_finish() -> None:
    first = run(progress(2, 1), {"w1-0": view(), "w1-1": view(), "w2-0": view()})
    views = {"w1-0": view("failed"), "w1-1": view("testing"), "w2-0": view()}
    second = run(first.progress, views, 1)
    assert second.progress.state == "running"
    third = run(second.progress, views | {"w1-1": view("confirmed")}, 2)
    assert third.progress.state == "failed"
    assert third.open == ()
    assert [wave.state for wave in third.progress.waves] == ["failed", "waiting"]
    assert run(third.progress, dict.fromkeys(views, view("confirmed")), 3).open == ()


def test_devices_that_are_offline_hold_nobody_up() -> None:
    first = run(progress(1, 2), {"w1-0": view(), "w2-0": view(), "w2-1": view(online=False)})
    views = {"w1-0": view("confirmed"), "w2-0": view("confirmed"), "w2-1": view(online=False)}
    result = run(run(first.progress, views, 1).progress, views, 2)
    assert result.progress.state == "done"
    assert result.states["w2-1"] == "offline"


def test_an_online_device_that_never_confirms_fails_in_the_end() -> None:
    first = run(progress(1, timeout=60), {"w1-0": view()})
    assert run(first.progress, {"w1-0": view("fetching")}, 59).states["w1-0"] == "fetching"
    late = run(first.progress, {"w1-0": view("fetching")}, 60)
    assert late.states["w1-0"] == "failed"
    assert late.progress.state == "failed"


def test_confirming_another_release_counts_for_nothing() -> None:
    first = run(progress(1), {"w1-0": view()})
    other = View(online=True, converged=True, report=report("confirmed", wanted=OLD, running=OLD))
    assert run(first.progress, {"w1-0": other}, 1).states["w1-0"] == "assigned"
    mixed = View(online=True, converged=True, report=report("confirmed", wanted=NEW, running=OLD))
    assert run(first.progress, {"w1-0": mixed}, 1).states["w1-0"] == "assigned"


def test_a_removal_is_confirmed_when_the_model_is_gone() -> None:
    first = run(progress(1, manifest=None), {"w1-0": view("confirmed", converged=False)})
    assert run(first.progress, {"w1-0": view("confirmed")}, 1).states["w1-0"] == "assigned"
    assert run(first.progress, {"w1-0": view(converged=False)}, 1).states["w1-0"] == "assigned"
    assert run(first.progress, {"w1-0": view()}, 1).progress.state == "done"


def test_a_paused_rollout_opens_nothing() -> None:
    first = run(progress(1, 1), {"w1-0": view(), "w2-0": view()})
    paused = replace(first.progress, state="paused")
    result = run(paused, {"w1-0": view("confirmed"), "w2-0": view()}, 1)
    assert (result.open, result.progress.state) == ((), "paused")


def test_a_device_that_was_unenrolled_counts_as_offline() -> None:
    result = run(progress(1), {})
    assert result.states == {"w1-0": "offline"}


def test_a_thousand_devices_in_well_under_a_second() -> None:
    start = progress(4, 100, 896)
    names = [name for wave in start.waves for name in wave.devices]
    views = dict.fromkeys(names, view("fetching"))
    begun = time.process_time()
    current = start
    for at in range(3):
        current = run(current, views, at).progress
    for at in range(3, 9):
        current = run(current, dict.fromkeys(names, view("confirmed")), at).progress
    assert current.state == "done"
    assert time.process_time() - begun < 1

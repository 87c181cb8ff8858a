"""What people see at 80 columns, to the letter."""

from rich.console import Console

from controller.cli import render_devices, render_rollout, render_status, why
from controller.cli.columns import Column, table
from tests.unit.desk import samples

NOW = samples.NOW


def shown(text, width=80):
    """The lines as a terminal of that width would break them."""
    console = Console(width=width, color_system=None, file=None)
    with console.capture() as capture:
        console.print(text)
    lines = capture.get().splitlines()
    assert all(len(line) <= width for line in lines)
    return [line.rstrip() for line in lines]


def test_status_at_80_columns():
    assert shown(render_status.page(samples.status(), 80)) == [
        "fleet  472 devices · 465 online · 3 stale · 4 failed",
        "  rollout 57: wave 2 of 3, 23 of 42 confirmed",
        "needs you",
        "  dev-0207  failed   golden test in conv_12; went back to              2 min ago",
        "                     1.2.0, serving",
        "  dev-0311  offline  last seen 3 days ago, on 1.1.0; will     "
        + render_status.text.local(NOW - 3 * 86400).rjust(18),
        "                     catch up with 19.8 KiB when back",
        "",
        "GROUP   DEVICES  ONLINE  MODEL       RUNNING                WANTED  INFERENCES/S",
        "farm-a      412     405  crop-model  1.2.0 \u00d7371 ·           1.3.0          3,870",
        "                                     1.3.0 \u00d737",
        "farm-b       60      60  frost       0.9.1 \u00d760              0.9.1            120",
    ]


def test_wider_terminals_are_used():
    lines = shown(render_status.page(samples.status(), 120), 120)
    assert lines[0].endswith("rollout 57: wave 2 of 3, 23 of 42 confirmed")
    assert any("1.2.0 \u00d7371 · 1.3.0 \u00d737" in line for line in lines)


def test_status_of_an_empty_fleet_says_what_to_do():
    empty = samples.status(devices=0, online=0, stale=0, failed=0, rollouts=[], attention=[], groups=[])
    assert shown(render_status.page(empty, 80)) == [
        "fleet  0 devices · 0 online",
        "",
        "no devices yet. Next: fleet enroll NAME",
    ]


def test_rollout_at_80_columns():
    assert shown(render_rollout.screen(samples.rollout(), 80, NOW)) == [
        "  wave 1 canary    4/4  ██████████████████████████",
        "    confirmed  golden 4/4 · p95 0.40 ms (was 0.44)  12 s",
        "  wave 2 10 %    23/42  ██████████████░░░░░░░░░░░░",
        "    23 confirmed · 5 observing · 9 fetching · 4 offline · 1 failed  40 s",
        "  wave 3         0/363  waits for wave 2",
        "",
        "  failed    dev-0207  golden test: first difference in layer conv_12",
        "                      (/features/3/conv, Conv 1x1 96->24); runs 1.2.0",
        "  fetching  dev-0193   71 %  14.1 of 19.8 KiB (5.2 KiB were on the device",
        "                      already)",
    ]


def test_rollout_bar_stands_on_the_line_where_there_is_room():
    first = shown(render_rollout.screen(samples.rollout(), 120, NOW), 120)[0]
    assert first.startswith("  wave 1 canary    4/4  ██████████████████████████  confirmed  golden 4/4 · p95")
    assert first.endswith("0.40 ms (was 0.44)  12 s")


def test_log_lines_tell_only_what_changed():
    before, after = samples.rollout(), samples.rollout()
    assert render_rollout.change_lines(before, after) == []
    first = render_rollout.change_lines(None, after)
    assert first[0] == "wave 1 canary  4/4  4 confirmed"
    assert first[-1].startswith("failed  dev-0207  golden test: first difference in layer conv_12")
    paused = render_rollout.change_lines(before, samples.rollout("paused"))
    assert paused == ["paused; fleet rollout resume 57 goes on"]


def test_endings():
    done = shown(render_rollout.ending(samples.finished()), 200)
    said = "done: 2 of 2 devices run crop-model 1.3.0 after 3 min 12 s; 8.1 MiB sent, "
    assert done == [said + "1.9 MiB saved by chunks already there"]
    gate = samples.rollout("failed", outcome='stopped by gate "failures": 2 of 41 devices failed')
    assert render_rollout.ending(gate).plain.endswith("devices failed. Next: fleet rollout show 57")
    removed = samples.finished(kind="remove", version=None, saved=0, sent=0)
    assert "2 of 2 devices have removed crop-model" in render_rollout.ending(removed).plain


def test_those_offline_and_those_that_do_not_fit_are_listed():
    devices = [samples.rollout_device("dev-1", 1, "confirmed"), samples.rollout_device("dev-2", 1, "offline")]
    rollout = samples.finished(devices=devices, unfit=[samples.plan().devices[1]])
    assert render_rollout.ending(rollout).plain.splitlines()[1:] == [
        "  offline, will catch up: dev-2",
        "  do not fit: board-1",
    ]


def test_why_at_80_columns():
    lines = shown(why.render(samples.why(), 80, NOW))
    clock = render_status.text.clock(NOW - 130, NOW)
    assert lines[0] == "dev-0207 runs crop-model 1.2.0 and should run 1.3.0."
    assert lines[1].startswith(f"  {clock}  push 57 (token ops-night) wants 1.3.0 for farm-a;")
    assert lines[-1] == "What would change it: fleet push crop-model --group farm-a --retry-failed"


def test_device_lines():
    many = shown(render_devices.many([samples.device()], 120, NOW), 120)
    assert many[1].split() == [
        "dev-0207", "failed", "4", "s", "ago", "crop-model", "1.2.0", "(1.3.0", "failed)", "farm-a",
        "kind=gateway", "site=north",
    ]  # fmt: skip
    one = shown(render_devices.one(samples.device(), 80, NOW))
    assert one[0] == "dev-0207  failed  seen 4 s ago"
    assert any("64.0 MiB for each module" in line for line in one)


def test_a_release_that_is_being_observed_is_marked():
    observed = (
        samples.device().models["crop-model"].model_copy(update={"running": "1.3.0", "state": "observing"})
    )
    lines = shown(render_devices.many([samples.device(models={"crop-model": observed})], 120, NOW), 120)
    assert "crop-model 1.3.0 (observing)" in lines[1]


def test_a_state_is_never_told_by_colour_alone():
    states = {
        "invited": samples.device(claimed=False),
        "failed": samples.device(),
        "stale": samples.device(stale=True, models={}),
        "offline": samples.device(online=False, models={}),
        "online": samples.device(models={}),
    }
    assert {word: render_devices.state(device).plain for word, device in states.items()} == {
        word: word for word in states
    }


def test_a_table_has_no_blanks_at_line_ends_and_wraps_only_where_allowed():
    columns = [Column("A"), Column("B", wraps=True), Column("C", right=True)]
    rows = [["one", "a b c d e f g h i j k l", "1"], ["two", "short", "1,000"]]
    lines = table(columns, rows, 30).plain.splitlines()
    assert lines == [
        "A    B                       C",
        "one  a b c d e f g h i       1",
        "     j k l",
        "two  short               1,000",
    ]

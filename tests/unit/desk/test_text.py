"""Units, separators and times."""

import pytest

from controller.cli import parse, text
from protocol.errors import InputError


@pytest.mark.parametrize(
    ("nbytes", "said"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (20275, "19.8 KiB"),
     (8_493_465, "8.1 MiB"), (1 << 33, "8.0 GiB")],
)  # fmt: skip
def test_size(nbytes, said):
    assert text.size(nbytes) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (192, "3 min 12 s"), (7500, "2 h 5 min"), (90000, "1 d 1 h")],
)
def test_duration(seconds, said):
    assert text.duration(seconds) == said


def test_times_are_relative_below_a_day_and_iso_above():
    now = 1_790_000_000
    assert text.ago(now - 4, now) == "4 s ago"
    assert text.ago(now - 120, now) == "2 min ago"
    assert text.ago(now - 7300, now) == "2 h ago"
    assert text.ago(now - 86400, now) == text.local(now - 86400)
    assert text.local(now)[4] == text.local(now)[7] == "-"


def test_counts():
    assert text.count(3870.2) == "3,870"
    assert text.some(1, "device") == "1 device"
    assert text.some(412, "device") == "412 devices"
    assert text.macs(1_310_000) == "1.31 MMAC"
    assert text.part_of(14438, 20275) == "14.1 of 19.8 KiB"


@pytest.mark.parametrize(
    ("typed", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86400)]
)
def test_times_as_typed(typed, seconds):
    assert parse.seconds(typed, "--timeout") == seconds


@pytest.mark.parametrize("typed", ["", "soon", "-1s", "1.5h", "10 parsecs"])
def test_other_times_are_refused(typed):
    with pytest.raises(InputError, match="is not a time"):
        parse.seconds(typed, "--timeout")


def test_observation():
    observe = parse.observation("20,30s")
    assert (observe.inferences, observe.seconds) == (20, 30)
    for wrong in ("20", "x,3s", ",3s"):
        with pytest.raises(InputError, match="inferences and a time"):
            parse.observation(wrong)


def test_labels():
    assert parse.labels(["site=north", "kind-", "old="]) == {"site": "north", "kind": None, "old": None}
    with pytest.raises(InputError, match="not a label"):
        parse.labels(["site"])

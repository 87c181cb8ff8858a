"""What is made of times: shares, limits, frames, pages."""

import json
import re
from dataclasses import replace

import pytest

from controller.inspection.flame import frames, speedscope
from controller.inspection.machine import Machine
from controller.inspection.pages import profile_page
from controller.inspection.profile import is_faster_than_possible
from tests.unit.inspection import samples


def test_layers_against_the_machine():
    done = samples.profile()
    conv, _, _, add, relu = done.layers
    # 1,024 MAC at 1 GMAC/s; arena and weights are more than 1 KiB, so bytes go at 1 GB/s.
    assert (conv.limit, conv.bound) == (1.024e-6, "compute")
    assert conv.nbytes == 64 + 256 + 256
    assert conv.gmacs == pytest.approx(1.024)
    assert conv.efficiency == pytest.approx(1.024)
    assert (add.nbytes, add.limit, add.bound, add.gmacs) == (768, pytest.approx(768e-9), "memory", None)
    assert relu.efficiency is None
    assert sum(layer.share for layer in done.layers) == pytest.approx(1)
    assert done.macs == 3072


def test_a_layer_faster_than_the_machine_is_noticed():
    fast = replace(samples.MACHINE, peak={"int8": 2e9, "float32": 1e9}, bandwidth={65536: 2e9})
    assert not is_faster_than_possible(samples.profile(fast))
    assert is_faster_than_possible(samples.profile(replace(fast, peak={"int8": 5e8, "float32": 5e8})))
    assert not is_faster_than_possible(samples.profile(None))


def test_without_a_machine_there_is_no_limit():
    assert all(layer.limit is None and layer.efficiency is None for layer in samples.profile(None).layers)


def test_bandwidth_is_that_of_the_smallest_working_set_that_holds_it():
    machine = Machine("x", "simd", {}, {100: 3.0, 200: 2.0, 400: 1.0})
    assert [machine.bytes_per_second(size) for size in (1, 100, 101, 400, 9999)] == [3, 3, 2, 1, 1]


def test_frames_nest_by_the_scopes_of_names():
    found = [(frame.name.split("  ")[0], frame.depth, frame.layer) for frame in frames(samples.profile())]
    assert found == [
        ("toy 1.0.0", 0, None), ("stem", 1, None), ("conv", 2, 0), ("block", 1, None), ("left", 2, None),
        ("conv", 3, 1), ("right", 2, None), ("conv", 3, 2), ("add", 2, 3), ("<", 1, None),
        ("script><b>", 2, 4),
    ]  # fmt: skip


def test_speedscope_opens_and_closes_every_frame_in_time():
    document = json.loads(json.dumps(speedscope(samples.profile())))
    (profile,) = document["profiles"]
    opened, last = [], 0.0
    for event in profile["events"]:
        assert event["at"] >= last
        last = event["at"]
        if event["type"] == "O":
            opened.append(event["frame"])
        else:
            assert opened.pop() == event["frame"]
    assert not opened
    assert last == pytest.approx(profile["endValue"]) == pytest.approx(6.5)
    assert profile["unit"] == "microseconds"


def test_the_page_is_whole_and_asks_for_nothing():
    html = profile_page(samples.profile())
    assert "{{" not in html
    assert html.count("</script>") == 2
    assert not re.search(r"(src|href)=|url\(|@import|fetch\(", html)
    assert set(re.findall(r"https?://[^\"' <]*", html)) == {"http://www.w3.org/2000/svg"}
    data = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)
    assert json.loads(data[1])["layers"][4]["name"] == "</script><b>"

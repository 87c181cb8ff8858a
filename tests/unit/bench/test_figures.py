"""The arithmetic of the figures."""

import pytest

from tests.bench.inference.figures import (
    TARGETS,
    Target,
    by_target,
    geometric_mean,
    outside_shares,
    ratio,
    speedups,
    time_ratios,
    verdicts,
)
from tests.bench.inference.report import show, table, text
from tests.bench.zoo import TINY


def test_geometric_mean():
    assert geometric_mean([1, 4, 16]) == pytest.approx(4)


def test_ratio_takes_the_fastest_of_each_side():
    medians = {"m": {"a": 2.0, "b": 4.0, "c": 1.0, "d": 0.5}}
    assert ratio(medians, ["m"], ["a", "b"], ["c", "d"]) == pytest.approx(4)


def test_ratio_without_every_time_is_not_told():
    assert ratio({"m": {"a": 1.0}}, ["m"], ["a"], ["b"]) is None
    assert ratio({"m": {"a": 1.0, "b": 1.0}}, ["m", "n"], ["a"], ["b"]) is None


def test_direction_of_the_promised_ratios():
    times = {
        "wasmtime": 3.0, "wasmtime_inside": 2.2, "native128": 2.0, "node": 1.0, "litert": 2.5,
        "onnxruntime_int8": 2.0, "onnxruntime_float": 4.0, "ortweb_int8": 8.0, "ortweb_float": 6.0,
    }  # fmt: skip
    medians = dict.fromkeys((*TINY, "mobilenetv2", "resnet18"), times)
    assert time_ratios(medians) == {
        "native_int8_tiny4": pytest.approx(1.5),
        "native_int8_mobilenetv2": pytest.approx(1.5),
        "native_int8_resnet18": pytest.approx(1.5),
        "native_128bit": pytest.approx(1.1),
    }
    assert speedups(medians) == {
        "ortweb_tiny4_mobilenetv2": pytest.approx(6),
        "ortweb_resnet18": pytest.approx(6),
        "litert_tiny4": pytest.approx(2.5),
    }


def test_each_target_has_figures_of_its_own():
    times = {"wasmtime": 3.0, "wasmtime_relaxed": 1.0, "onnxruntime_int8": 2.0, "litert": 6.0, "node": 3.0}
    medians = dict.fromkeys(TINY, times | {"node_relaxed": 4.0})
    found = by_target(medians)
    assert found["simd"]["native_int8_tiny4"] == pytest.approx(1.5)
    assert found["relaxed"]["native_int8_tiny4"] == pytest.approx(0.5)
    assert [found[target]["litert_tiny4"] for target in ("simd", "relaxed")] == pytest.approx([2, 1.5])
    assert speedups(medians)["litert_tiny4"] == pytest.approx(2), "the better target counts"
    assert found["relaxed"]["ortweb_resnet18"] is None


def test_outside_share_counts_models_above_one_mmac():
    times = {
        "wasmtime": [10.0, 20.0, 90.0],
        "wasmtime_inside": [9.0, 16.0, 9.0],
        "node": [8.0],
        "node_inside": [8.1],
    }
    rounds = {(model, engine): values for model in ("vww", "autoencoder") for engine, values in times.items()}
    assert outside_shares(rounds) == {"wasmtime": {"vww": pytest.approx(0.2)}, "node": {"vww": 0.0}}


def test_a_bound_is_met_when_it_is_reached():
    assert Target("a", 2, least=True).met(2)
    assert not Target("a", 2, least=True).met(1.9)
    assert Target("a", 2).met(2)
    assert not Target("a", 2).met(2.1)


def test_every_target_is_a_row():
    figures = {"speedup": {"litert_tiny4": 1.6}, "code_bytes": {"ds_cnn": 13000}}
    rows = {name: (value, verdict) for name, value, _, verdict in verdicts(figures, show)}
    assert len(rows) == len(TARGETS)
    assert rows["speedup.litert_tiny4"] == ("1.6", "met")
    assert rows["code_bytes.ds_cnn"] == ("13,000", "missed")
    assert rows["outside_run_share"] == ("-", "not measured")


def test_table_aligns():
    assert table([("a", "b"), ("long", 1)]) == "a     b\nlong  1\n"


def test_report_names_what_failed():
    report = text({"median_seconds": {"m": {"node": 0.001}}, "errors": {"m": {"litert": "no file\nmore"}}})
    assert "m litert: no file\n" in report
    assert "ms of one inference  Node" in report

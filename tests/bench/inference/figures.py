"""From medians to the figures that the project promises; pure."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.bench.zoo import TINY

Medians = Mapping[str, Mapping[str, float]]
"""Model → engine → seconds of one inference."""

ABOVE_1_MMAC = ("ds_cnn", "vww", "resnet8", "mobilenetv2", "resnet18", "efficientnet_lite0", "mobilenetv3")
"""Models whose time outside `run` counts."""


def geometric_mean(values: Iterable[float]) -> float:
    """Of positive numbers."""
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs))


def ratio(
    medians: Medians, models: Iterable[str], above: Iterable[str], below: Iterable[str]
) -> float | None:
    """The fastest of `above` ÷ the fastest of `below`, geometric mean over models; None without all times."""
    quotients = []
    for model in models:
        times = medians.get(model, {})
        pair = [min((times[e] for e in engines if e in times), default=None) for engines in (above, below)]
        if None in pair:
            return None
        quotients.append(pair[0] / pair[1])
    return geometric_mean(quotients)


NATIVE = ("onnxruntime_int8", "onnxruntime_float")
ORT_WEB = ("ortweb_int8", "ortweb_float")


def time_ratios(medians: Medians, ours: str = "wasmtime") -> dict[str, float | None]:
    """Ours ÷ theirs; ours in wasmtime, for `simd` unless told otherwise."""
    both = [model for model, times in medians.items() if {"native128", "wasmtime_inside"} <= times.keys()]
    return {
        "native_int8_tiny4": ratio(medians, TINY, [ours], NATIVE),
        "native_int8_mobilenetv2": ratio(medians, ["mobilenetv2"], [ours], NATIVE),
        "native_int8_resnet18": ratio(medians, ["resnet18"], [ours], NATIVE),
        "native_128bit": ratio(medians, both, ["wasmtime_inside"], ["native128"]) if both else None,
    }


def speedups(medians: Medians, ours: Sequence[str] = ("node", "node_relaxed")) -> dict[str, float | None]:
    """Theirs ÷ ours, both in Node; ours for the better of the targets that this Node runs."""
    return {
        "ortweb_tiny4_mobilenetv2": ratio(medians, [*TINY, "mobilenetv2"], ORT_WEB, ours),
        "ortweb_resnet18": ratio(medians, ["resnet18"], ORT_WEB, ours),
        "litert_tiny4": ratio(medians, TINY, ["litert"], ours),
    }


def by_target(medians: Medians) -> dict[str, dict[str, float | None]]:
    """The figures that depend on the target, for each."""
    found = {}
    for target, end in (("simd", ""), ("relaxed", "_relaxed")):
        ratios = time_ratios(medians, f"wasmtime{end}")
        del ratios["native_128bit"]
        found[target] = ratios | speedups(medians, [f"node{end}"])
    return found


def outside_shares(times: Mapping[tuple[str, str], Sequence[float]]) -> dict[str, dict[str, float]]:
    """Host → model → share of an inference that is not `run`: conversions, copies, the call.

    Args:
        times: Model and engine → seconds of each round. Both times of a round were taken one after the other,
            so their quotient is steadier than that of the medians.
    """
    shares: dict[str, dict[str, float]] = {}
    for host in ("wasmtime", "node"):
        shares[host] = {}
        for model in ABOVE_1_MMAC:
            whole, inside = (times.get((model, engine)) for engine in (host, f"{host}_inside"))
            if whole and inside:
                share = median(1 - i / w for w, i in zip(whole, inside, strict=True))
                shares[host][model] = max(0.0, share)
    return shares


@dataclass(frozen=True)
class Target:
    """One promised figure: where it stands in the JSON, and its bound."""

    path: str
    bound: float
    least: bool = False

    def value(self, figures: Mapping[str, Any]) -> float | None:
        """The figure, None where it was not measured."""
        found: Any = figures
        for key in self.path.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    def met(self, value: float) -> bool:
        """Whether a figure keeps the promise."""
        return value >= self.bound if self.least else value <= self.bound


TARGETS = (
    Target("speedup.ortweb_tiny4_mobilenetv2", 4, least=True),
    Target("speedup.ortweb_resnet18", 1.5, least=True),
    Target("speedup.litert_tiny4", 1.5, least=True),
    Target("time_ratio.native_int8_tiny4", 1.5),
    Target("time_ratio.native_int8_mobilenetv2", 3.0),
    Target("time_ratio.native_int8_resnet18", 4.5),
    Target("by_target.relaxed.native_int8_tiny4", 1.5),
    Target("by_target.relaxed.native_int8_mobilenetv2", 3.0),
    Target("by_target.relaxed.native_int8_resnet18", 4.5),
    Target("time_ratio.native_128bit", 1.1),
    Target("outside_run_share", 0.05),
    Target("ms.mobilenetv3_512_node", 100),
    *(Target(f"code_bytes.{model}", 12288) for model in TINY),
    Target("cold_start_ms.ds_cnn", 5),
    Target("arena_bytes.ds_cnn", 9728),
    Target("arena_bytes.vww", 38912),
    Target("arena_bytes.resnet8", 34816),
    Target("build_seconds.ds_cnn", 2),
    Target("build_seconds.mobilenetv2", 10),
)


def verdicts(figures: Mapping[str, Any], show: Callable[[float], str]) -> list[tuple[str, str, str, str]]:
    """Figure, value, bound, and `met`, `missed` or `not measured`; one row a target."""
    rows = []
    for target in TARGETS:
        value = target.value(figures)
        bound = f"{'≥' if target.least else '≤'} {show(target.bound)}"
        if value is None:
            rows.append((target.path, "-", bound, "not measured"))
        else:
            rows.append((target.path, show(value), bound, "met" if target.met(value) else "missed"))
    return rows

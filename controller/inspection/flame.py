"""Layers as nested frames over time: the scopes of their ONNX names, merged where neighbours share them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from controller.inspection.profile import Profile

SCHEMA = "https://www.speedscope.app/file-format-schema.json"


@dataclass(frozen=True)
class Frame:
    """One bar of a flame graph.

    Attributes:
        name: A scope, or a layer's last name and what it does.
        depth: 0 for the model.
        start: Seconds since the begin of the run.
        end: Seconds since the begin of the run.
        layer: Index, if it is a layer.
    """

    name: str
    depth: int
    start: float
    end: float
    layer: int | None = None


def frames(profile: Profile) -> list[Frame]:
    """Every bar, in the order in which they begin, outer ones first."""
    done: list[Frame] = []
    opened: list[tuple[str, float]] = [(f"{profile.meta.name} {profile.meta.version}", 0.0)]
    now = 0.0
    for index, layer in enumerate(profile.layers):
        scopes, name = _split(layer.meta.name)
        kept = _common([scope for scope, _ in opened[1:]], scopes)
        _close(opened, done, 1 + kept, now)
        opened.extend((scope, now) for scope in scopes[kept:])
        end = now + layer.seconds
        done.append(Frame(f"{name}  {layer.meta.detail}", len(opened), now, end, index))
        now = end
    _close(opened, done, 0, now)
    return sorted(done, key=lambda frame: (frame.start, frame.depth))


def _split(name: str) -> tuple[list[str], str]:
    parts = [part for part in name.split("/") if part] or [name]
    return parts[:-1], parts[-1]


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def _close(opened: list[tuple[str, float]], done: list[Frame], depth: int, now: float) -> None:
    while len(opened) > depth:
        name, start = opened.pop()
        done.append(Frame(name, len(opened), start, now))


def speedscope(profile: Profile) -> dict[str, Any]:
    """The profile in the file format of speedscope (https://www.speedscope.app), microseconds."""
    names: dict[str, int] = {}
    events: list[dict[str, Any]] = []
    opened: list[Frame] = []

    def close(depth: int) -> None:
        while len(opened) > depth:
            frame = opened.pop()
            events.append({"type": "C", "frame": names[frame.name], "at": frame.end * 1e6})

    for frame in frames(profile):
        close(frame.depth)
        opened.append(frame)
        events.append(
            {"type": "O", "frame": names.setdefault(frame.name, len(names)), "at": frame.start * 1e6}
        )
    close(0)
    title = f"{profile.meta.name} {profile.meta.version} {profile.meta.target}, {profile.place}"
    return {
        "$schema": SCHEMA,
        "name": title,
        "exporter": "fleet profile",
        "activeProfileIndex": 0,
        "shared": {"frames": [{"name": name} for name in names]},
        "profiles": [
            {
                "type": "evented",
                "name": title,
                "unit": "microseconds",
                "startValue": 0,
                "endValue": profile.layers_sum * 1e6,
                "events": events,
            }
        ],
    }

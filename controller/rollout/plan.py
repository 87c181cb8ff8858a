"""Planning a rollout: who is in it, in which wave, with which module. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from protocol.documents import Capabilities, Manifest
from protocol.trust import TrustError, choose_target

_PREFERENCE = ("relaxed", "simd", "mvp", "mcu")
SMALL_GROUP = 20
"""Groups up to here get one canary and then the rest."""


@dataclass(frozen=True)
class Candidate:
    """A device of the group."""

    name: str
    device_class: str
    online: bool
    capabilities: Capabilities | None
    """None before its first report."""
    running: str | None = None
    """Version of the model that it runs."""


@dataclass(frozen=True)
class Fit:
    """What a release means for one device."""

    device: str
    online: bool
    target: str | None
    """None when no module fits."""
    reason: str


def fit(manifest: Manifest, candidate: Candidate) -> Fit:
    """Choose the module for one device, by the rule the device itself will apply."""
    if candidate.capabilities is None:
        if candidate.device_class not in manifest.classes:
            classes = ", ".join(manifest.classes) or "no class"
            reason = f"{manifest.model} is for {classes}, the device is of class {candidate.device_class}"
            return Fit(candidate.name, candidate.online, None, reason)
        # Nothing is known against it; it decides for itself when it first connects.
        best = min(manifest.targets, key=_PREFERENCE.index)
        return Fit(candidate.name, candidate.online, best, "has not reported yet")
    try:
        target, _ = choose_target(manifest, candidate.capabilities)
    except TrustError as error:
        return Fit(candidate.name, candidate.online, None, error.what)
    runs = f"runs {candidate.running}" if candidate.running else "runs no release of this model"
    return Fit(candidate.name, candidate.online, target, runs)


def waves(devices: Sequence[Fit]) -> list[tuple[str, list[str]]]:
    """Cut the fitting devices into named waves: canary, a tenth, the rest.

    Devices that are online go first, so that a wave says something.
    """
    order = sorted((d for d in devices if d.target), key=lambda d: (not d.online, d.device))
    names = [d.device for d in order]
    if not names:
        return []
    if len(names) == 1:
        return [("all", names)]
    canaries = 1 if len(names) <= SMALL_GROUP else min(4, math.ceil(len(names) / 100))
    cut = [("canary", names[:canaries])]
    if len(names) > SMALL_GROUP:
        tenth = canaries + math.ceil(len(names) / 10)
        cut.append(("10 %", names[canaries:tenth]))
        cut.append(("rest", names[tenth:]))
    else:
        cut.append(("rest", names[canaries:]))
    return [(name, members) for name, members in cut if members]

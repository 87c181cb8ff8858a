"""What each layer of a module costs: time, work, bytes, and how near that is to the machine's limit.

The limit is the roofline of Williams, Waterman and Patterson, "Roofline: An Insightful Visual
Performance Model for Multicore Architectures", 2009: a layer can be no faster than its products at the
machine's peak, and no faster than its bytes at the machine's bandwidth.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from controller.compiler import Instance
from controller.inspection.machine import Machine
from protocol.module import DTYPE_BYTES, LayerMeta, ModuleMeta
from protocol.profiling import Timing, measure

Bound = Literal["compute", "memory"]

TOLERANCE = 0.1


@dataclass(frozen=True)
class LayerProfile:
    """One layer.

    Attributes:
        meta: Its entry in the layer table.
        seconds: Of one run, without the call.
        share: Of the sum over all layers, 0 … 1.
        nbytes: What it must move at least: weights and sources read once, output written once.
        limit: Seconds that the machine would need; None where the machine was not measured.
        bound: What the limit is made of.
    """

    meta: LayerMeta
    seconds: float
    share: float
    nbytes: int
    limit: float | None = None
    bound: Bound | None = None

    @property
    def gmacs(self) -> float | None:
        """10⁹ multiply-accumulates a second; None for a layer without any."""
        return self.meta.macs / self.seconds / 1e9 if self.meta.macs and self.seconds else None

    @property
    def efficiency(self) -> float | None:
        """Share of the limit that is reached; above 1 where fewer products are needed (padding, Winograd)."""
        return self.limit / self.seconds if self.limit is not None and self.seconds else None


@dataclass(frozen=True)
class Profile:
    """A module's layers, in order.

    Attributes:
        meta: Of the module.
        layers: In order.
        run: Seconds of a whole run, measured by itself.
        call: Seconds of a call from the host that runs nothing, which is part of no other figure.
        rounds: How many runs the medians are of.
        place: Where it ran: a description of the machine, or a device.
        machine: Its limits, if they were measured.
    """

    meta: ModuleMeta
    layers: tuple[LayerProfile, ...]
    run: float
    call: float
    rounds: int
    place: str
    machine: Machine | None = None

    @property
    def layers_sum(self) -> float:
        """Seconds of all layers."""
        return math.fsum(layer.seconds for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(layer.meta.macs for layer in self.layers)


def profile_module(wasm: bytes, inputs: Mapping[str, Any], *, rounds: int | None = None) -> Profile:
    """Time a module on this machine, without limits.

    Args:
        wasm: Of a target that needs no host kernels.
        inputs: At the module's types.
        rounds: Of how many the median is taken; as many as fit into a second if not given.

    Raises:
        ModuleError: Not a module.
        LayerTrap: It traps.
    """
    instance = Instance(wasm)
    meta = instance.meta
    # A trap is told with its layer here; while layers are timed nothing looks.
    instance.run(inputs)
    timing = measure(instance.driven(inputs), meta, time.perf_counter_ns, rounds=rounds)
    return evaluate(meta, timing, "this machine")


def evaluate(meta: ModuleMeta, timing: Timing, place: str) -> Profile:
    """A profile of what was measured, here or on a device, without limits."""
    total = math.fsum(timing.layers) or 1.0
    layers = []
    for layer, nanoseconds in zip(meta.layers, timing.layers, strict=True):
        nbytes = (
            layer.weight_bytes
            + layer.size
            + sum(math.prod(source.shape) * DTYPE_BYTES[source.dtype] for source in meta.sources(layer))
        )
        layers.append(LayerProfile(layer, nanoseconds / 1e9, nanoseconds / total, nbytes))
    return Profile(meta, tuple(layers), timing.run / 1e9, timing.call / 1e9, timing.rounds, place)


def against(profile: Profile, machine: Machine) -> Profile:
    """The profile with the limits of the machine on which it was taken."""
    working_set = profile.meta.arena.size + sum(layer.meta.weight_bytes for layer in profile.layers)
    layers = []
    for layer in profile.layers:
        limit, bound = machine.limit(layer.meta, layer.nbytes, working_set)
        layers.append(replace(layer, limit=limit, bound=bound))
    return replace(profile, layers=tuple(layers), place=machine.name, machine=machine)


def is_faster_than_possible(profile: Profile) -> bool:
    """Whether some layer is above its limit: perhaps the machine was busy when it was measured."""
    return any((layer.efficiency or 0) > 1 + TOLERANCE for layer in profile.layers)

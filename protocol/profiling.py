"""How the layers of a module are timed: the same way on a desk and on a device.

The module is the one that serves, without instrumentation. A second module, `DRIVER`, calls its
`run_layer` some times in succession, because a call from the host costs more than a small layer takes:
a call of the driver that calls nothing is timed beside each and subtracted. Layers run in their order;
a short one is repeated in its place, at most `MOST_TIMES`, so that what it reads and writes is what it
reads and writes in a run, and less often where it works in place: its numbers must not die away.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from protocol.module import LayerMeta, ModuleMeta, TensorMeta

DRIVER = """(module
  (import "module" "run_layer" (func $run_layer (param i32) (result i32)))
  (import "module" "run" (func $run (result i32)))
  (func (export "layer") (param $index i32) (param $times i32)
    (block $done (loop $again
      (br_if $done (i32.eqz (local.get $times)))
      (drop (call $run_layer (local.get $index)))
      (local.set $times (i32.sub (local.get $times) (i32.const 1)))
      (br $again))))
  (func (export "whole") (param $times i32)
    (block $done (loop $again
      (br_if $done (i32.eqz (local.get $times)))
      (drop (call $run))
      (local.set $times (i32.sub (local.get $times) (i32.const 1)))
      (br $again)))))"""
"""Imports the module's functions, in this order; `layer(i, n)` runs a layer n times, `whole(n)` the model."""

MOST_TIMES, MOST_TIMES_IN_PLACE = 256, 4
LEAST_ROUNDS, MOST_ROUNDS = 5, 1000
_WARM_UP = 2
_STRETCH_NS = 100_000
"""Short layers are repeated until they take about this long."""


class Driven(Protocol):
    """A module in an engine, with the driver beside it."""

    def prepare(self) -> None:
        """Write the inputs, and reset the state."""

    def layer(self, index: int, times: int) -> None:
        """Run a layer that many times; with 0 nothing is run."""

    def whole(self, times: int) -> None:
        """Run the model that many times; with 0 nothing is run."""


@dataclass(frozen=True)
class Timing:
    """Medians over all rounds, nanoseconds, without the call.

    Attributes:
        layers: Of each layer; never below 0.
        run: Of a whole run.
        call: Of a call from the host that runs nothing: what was subtracted.
        rounds: How many there were.
        times: How often each layer ran in each round.
    """

    layers: tuple[float, ...]
    run: float
    call: float
    rounds: int
    times: tuple[int, ...]


def measure(
    module: Driven,
    meta: ModuleMeta,
    clock: Callable[[], int],
    *,
    rounds: int | None = None,
    seconds: float = 1.0,
) -> Timing:
    """Time every layer.

    Args:
        module: Loaded, with inputs to write.
        meta: Its metadata.
        clock: Nanoseconds, monotonic.
        rounds: How often all layers are timed; as many as fit into `seconds` if not given.
        seconds: How long that takes, about; the least number of rounds is run in any case.
    """

    def timed(call: Callable[..., None], *arguments: int) -> int:
        start = clock()
        call(*arguments)
        return clock() - start

    def one_layer(index: int, times: int) -> tuple[int, int]:
        # What ran before may have pushed the way of a call out of the caches.
        module.layer(index, 0)
        return timed(module.layer, index, 0), timed(module.layer, index, times)

    def one_round(times: Sequence[int]) -> list[tuple[int, int]]:
        module.prepare()
        module.whole(0)
        run = timed(module.whole, 0), timed(module.whole, 1)
        module.prepare()
        return [run, *(one_layer(index, count) for index, count in enumerate(times))]

    first = [one_round([1] * len(meta.layers)) for _ in range(_WARM_UP)]
    alone = [min(full - empty for empty, full in column) for column in zip(*first, strict=True)]
    times = [_times(meta, layer, alone[1 + index]) for index, layer in enumerate(meta.layers)]
    start = clock()
    results = [one_round(times)]
    fits = int(seconds * 1e9 / max(clock() - start, 1))
    count = rounds or min(max(fits, LEAST_ROUNDS), MOST_ROUNDS)
    results += [one_round(times) for _ in range(count - 1)]
    whole, *taken = (
        max(0.0, median(full for _, full in column) - median(empty for empty, _ in column))
        for column in zip(*results, strict=True)
    )
    return Timing(
        layers=tuple(nanoseconds / n for nanoseconds, n in zip(taken, times, strict=True)),
        run=whole,
        call=median(empty for row in results for empty, _ in row),
        rounds=count,
        times=tuple(times),
    )


def _times(meta: ModuleMeta, layer: LayerMeta, alone: int) -> int:
    """How often a layer that takes that many nanoseconds is repeated."""
    most = MOST_TIMES_IN_PLACE if _may_be_in_place(meta, layer) else MOST_TIMES
    return min(max(math.ceil(_STRETCH_NS / max(alone, 1)), 1), most)


def _may_be_in_place(meta: ModuleMeta, layer: LayerMeta) -> bool:
    """Whether a layer may write where it reads; metadata do not tell where inputs lie."""
    return (
        any(
            isinstance(source, TensorMeta)
            or (source.offset < layer.offset + layer.size and layer.offset < source.offset + source.size)
            for source in meta.sources(layer)
        )
        or not layer.reads
    )

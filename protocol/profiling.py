"""How the layers of a module are timed: the same way on a desk and on a device.

The module is the one that serves, without instrumentation. A second module, `DRIVER`, calls its
`run_layer` some times in succession, because a call from the host costs more than a small layer takes:
the call of a driver that calls nothing is measured beside it and subtracted. Layers run in their order;
a short one is repeated in its place, at most `MOST_TIMES`, so that what it reads and writes is what it
reads and writes in a run, and values of one that works in place stay finite.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

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

MOST_TIMES = 64
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
    module: Driven, layers: int, clock: Callable[[], int], *, rounds: int | None = None, seconds: float = 1.0
) -> Timing:
    """Time every layer.

    Args:
        module: Loaded, with inputs to write.
        layers: How many it has.
        clock: Nanoseconds, monotonic.
        rounds: How often all layers are timed; as many as fit into `seconds` if not given.
        seconds: How long that takes, about; the least number of rounds is run in any case.
    """

    def timed(call: Callable[..., None], *arguments: int) -> int:
        start = clock()
        call(*arguments)
        return clock() - start

    def one_round(times: Sequence[int]) -> list[int]:
        module.prepare()
        empty = timed(module.layer, 0, 0)
        taken = [timed(module.layer, index, count) for index, count in enumerate(times)]
        module.prepare()
        return [empty, timed(module.whole, 0), timed(module.whole, 1), *taken]

    first = [one_round([1] * layers) for _ in range(_WARM_UP)]
    alone = [min(column) for column in zip(*first, strict=True)]
    times = [_times(taken - alone[0]) for taken in alone[3:]]
    start = clock()
    results = [one_round(times)]
    fits = int(seconds * 1e9 / max(clock() - start, 1))
    count = rounds or min(max(fits, LEAST_ROUNDS), MOST_ROUNDS)
    results += [one_round(times) for _ in range(count - 1)]
    empty, none, whole, *taken = (median(column) for column in zip(*results, strict=True))
    return Timing(
        layers=tuple(max(0.0, (t - empty) / n) for t, n in zip(taken, times, strict=True)),
        run=max(0.0, whole - none),
        call=empty,
        rounds=count,
        times=tuple(times),
    )


def _times(alone: int) -> int:
    """How often a layer that takes that many nanoseconds is repeated."""
    return min(max(math.ceil(_STRETCH_NS / max(alone, 1)), 1), MOST_TIMES)

"""Places buffers that live for a while into one arena, as low as possible.

The output of a step may run over an input that nobody needs afterwards, as far as its kernel allows (see
`overlap`).

Each buffer in turn takes the lowest gap among those placed before that it meets in time. The order
decides the result (as in Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
Inference", 2020): a few good orders are tried, then, while the lower bound is not reached, random
exchanges in the best one. The search is bounded by steps, not by time, so that the result is always the same.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from controller.compiler.plan.steps import Distance

ALIGNMENT = 16
_TRIES = 400
_WORK = 4_000_000


@dataclass(frozen=True)
class Buffer:
    """Memory that is needed from step `first` to step `last`, both included.

    Attributes:
        size: Bytes, a multiple of `ALIGNMENT`.
        first: -1 for inputs, which are written before the first step.
        last: The number of steps for outputs, which are read after the last one.
    """

    size: int
    first: int
    last: int

    def meets(self, other: "Buffer", end: int) -> bool:
        """Whether both are needed at some time.

        Outputs are valid until the next run, so they also meet inputs, which are written before it.
        """
        if self.first <= other.last and other.first <= self.last:
            return True
        return (self.first < 0 and other.last >= end) or (other.first < 0 and self.last >= end)


@dataclass(frozen=True)
class Placement:
    """Offset of each buffer, the size of all, and the size below which none can be."""

    offsets: tuple[int, ...]
    size: int
    bound: int


Overlaps = Mapping[tuple[int, int], Distance]
"""For an output and an input of one step, by index: how they may share memory while both are needed."""


def place(buffers: Sequence[Buffer], end: int, overlaps: Overlaps | None = None) -> Placement:
    """Find offsets.

    Args:
        buffers: What is needed when.
        end: Number of steps.
        overlaps: Which of them may share memory while both are needed.
    """
    overlaps = overlaps or {}
    bound = lower_bound(buffers, end, overlaps)
    near = _neighbours(buffers, end, overlaps)
    indices = range(len(buffers))
    orders = [
        sorted(indices, key=lambda i: (-buffers[i].size, buffers[i].first)),
        sorted(indices, key=lambda i: (-buffers[i].size * (buffers[i].last - buffers[i].first + 1), i)),
        sorted(indices, key=lambda i: (buffers[i].first, -buffers[i].size)),
        sorted(indices, key=lambda i: (-buffers[i].last, -buffers[i].size)),
        sorted(indices, key=lambda i: (-sum(buffers[n.index].size for n in near[i]) - buffers[i].size, i)),
    ]
    results = [(*_in_order(buffers, near, order), order) for order in orders]
    size, offsets, order = min(results, key=lambda result: result[0])
    tries = min(_TRIES, _WORK // max(1, sum(len(n) for n in near) + len(buffers)))
    generator = random.Random(0)  # noqa: S311 - a search, not a secret; the seed makes builds reproducible
    for _ in range(tries if len(buffers) > 1 else 0):
        if size <= bound:
            break
        candidate = list(order)
        for _ in range(generator.randint(1, 3)):
            i, j = generator.randrange(len(order)), generator.randrange(len(order))
            candidate[i], candidate[j] = candidate[j], candidate[i]
        found, places = _in_order(buffers, near, candidate)
        if found <= size:
            size, offsets, order = found, places, candidate
    return Placement(tuple(offsets), size, bound)


def lower_bound(buffers: Sequence[Buffer], end: int, overlaps: Overlaps | None = None) -> int:
    """The most bytes that are needed at one time; before the first step that is inputs and outputs."""
    border = sum(b.size for b in buffers if b.first < 0 or b.last >= end)
    return max([*step_bounds(buffers, end, overlaps or {}), border], default=0)


def step_bounds(buffers: Sequence[Buffer], end: int, overlaps: Overlaps) -> list[int]:
    """The least that any placement needs during each step."""
    change = [0] * (end + 2)
    for buffer in buffers:
        if buffer.last >= 0:
            change[max(buffer.first, 0)] += buffer.size
            change[min(buffer.last, end) + 1] -= buffer.size
    needs = list(accumulate(change))[:end]
    for (upper, lower), distance in overlaps.items():
        out, x = buffers[upper], buffers[lower]
        together = max(out.size, max(aligned(distance.below), 0) + x.size)
        if distance.above is not None:
            together = min(together, max(x.size, max(aligned(distance.above), 0) + out.size))
        needs[out.first] -= max(0, out.size + x.size - together)
    return needs


@dataclass(frozen=True)
class _Neighbour:
    """Another buffer that is needed at the same time, and how far to keep away from its begin.

    Attributes:
        below: Least distance when this one begins below the other.
        above: Least distance when it begins above.
    """

    index: int
    below: int
    above: int


def _neighbours(buffers: Sequence[Buffer], end: int, overlaps: Overlaps) -> list[list[_Neighbour]]:
    near: list[list[_Neighbour]] = []
    for i, one in enumerate(buffers):
        others = []
        for j, other in enumerate(buffers):
            if i != j and one.meets(other, end):
                below, above = one.size, other.size
                if (i, j) in overlaps:
                    below, above = _shared(one, other, overlaps[i, j])
                elif (j, i) in overlaps:
                    above, below = _shared(other, one, overlaps[j, i])
                others.append(_Neighbour(j, below, above))
        near.append(others)
    return near


def _shared(out: Buffer, x: Buffer, distance: Distance) -> tuple[int, int]:
    """Least distances of an output that begins below the input, and above it."""
    above = x.size if distance.above is None else aligned(distance.above)
    return min(out.size, aligned(distance.below)), min(x.size, above)


def aligned(nbytes: int) -> int:
    """The next multiple of `ALIGNMENT`."""
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


def _in_order(
    buffers: Sequence[Buffer], near: Sequence[Sequence[_Neighbour]], order: Sequence[int]
) -> tuple[int, list[int]]:
    """Each buffer in turn at the lowest place that those before it leave."""
    offsets = [-1] * len(buffers)
    total = 0
    for index in order:
        size = buffers[index].size
        # Offsets strictly between the two are too near.
        taken = sorted(
            (offsets[n.index] - n.below, offsets[n.index] + n.above)
            for n in near[index]
            if offsets[n.index] >= 0
        )
        offset = 0
        for begin, stop in taken:
            if begin < offset < stop:
                offset = stop
        offsets[index] = offset
        total = max(total, offset + size)
    return total, offsets

"""Places buffers that live for a while into one arena, as low as possible.

Each buffer in turn takes the lowest gap among those placed before that it meets in time. The order
decides the result (as in Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
Inference", 2020): a few good orders are tried, then, while the lower bound is not reached, random
exchanges in the best one. The search is bounded by steps, not by time, so that the result is always the same.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

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


def place(buffers: Sequence[Buffer], end: int) -> Placement:
    """Find offsets.

    Args:
        buffers: What is needed when.
        end: Number of steps.
    """
    bound = lower_bound(buffers, end)
    meets = [
        [j for j, other in enumerate(buffers) if other is not b and b.meets(other, end)] for b in buffers
    ]
    indices = range(len(buffers))
    orders = [
        sorted(indices, key=lambda i: (-buffers[i].size, buffers[i].first)),
        sorted(indices, key=lambda i: (-buffers[i].size * (buffers[i].last - buffers[i].first + 1), i)),
        sorted(indices, key=lambda i: (buffers[i].first, -buffers[i].size)),
        sorted(indices, key=lambda i: (-sum(buffers[j].size for j in meets[i]) - buffers[i].size, i)),
    ]
    results = [(*_in_order(buffers, meets, order), order) for order in orders]
    size, offsets, order = min(results, key=lambda result: result[0])
    tries = min(_TRIES, _WORK // max(1, sum(len(m) for m in meets) + len(buffers)))
    generator = random.Random(0)  # noqa: S311 - a search, not a secret; the seed makes builds reproducible
    for _ in range(tries if len(buffers) > 1 else 0):
        if size <= bound:
            break
        candidate = list(order)
        for _ in range(generator.randint(1, 3)):
            i, j = generator.randrange(len(order)), generator.randrange(len(order))
            candidate[i], candidate[j] = candidate[j], candidate[i]
        found, places = _in_order(buffers, meets, candidate)
        if found <= size:
            size, offsets, order = found, places, candidate
    return Placement(tuple(offsets), size, bound)


def lower_bound(buffers: Sequence[Buffer], end: int) -> int:
    """The most bytes that are needed at one time; before the first step that is inputs and outputs."""
    steps = [sum(b.size for b in buffers if b.first <= t <= b.last) for t in range(-1, end + 1)]
    border = sum(b.size for b in buffers if b.first < 0 or b.last >= end)
    return max([*steps, border], default=0)


def _in_order(
    buffers: Sequence[Buffer], meets: Sequence[Sequence[int]], order: Sequence[int]
) -> tuple[int, list[int]]:
    offsets = [-1] * len(buffers)
    total = 0
    for index in order:
        size = buffers[index].size
        taken = sorted((offsets[j], offsets[j] + buffers[j].size) for j in meets[index] if offsets[j] >= 0)
        offset = 0
        for begin, stop in taken:
            if begin - offset >= size:
                break
            offset = max(offset, stop)
        offsets[index] = offset
        total = max(total, offset + size)
    return total, offsets

"""A histogram of a stream whose range is not known beforehand, in bounded memory.

Bins cover [-R, R) for a power of two R. When a value falls outside, R is doubled and neighbouring
bins are merged, which loses nothing but resolution.
"""

import math

import numpy as np
from numpy.typing import NDArray

from controller.compiler.ir import Array

BINS = 4096


class Histogram:
    """Counts of values, with their exact extremes.

    Attributes:
        low: Least finite value seen.
        high: Greatest finite value seen.
        nonfinite: How many values were NaN or infinite.
    """

    def __init__(self) -> None:
        self.low = math.inf
        self.high = -math.inf
        self.nonfinite = 0
        self._radius = 0.0
        self._counts: NDArray[np.int64] = np.zeros(BINS, np.int64)

    @property
    def empty(self) -> bool:
        """Whether no finite value was seen."""
        return self.low > self.high

    def add(self, values: Array) -> None:
        """Count the elements of an array."""
        finite = values[np.isfinite(values)].astype(np.float64)
        self.nonfinite += values.size - finite.size
        if not finite.size:
            return
        low, high = float(finite.min()), float(finite.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._grow(max(-low, high))
        scaled = np.floor((finite + self._radius) * (BINS / (2 * self._radius))).astype(np.int64)
        self._counts += np.bincount(np.clip(scaled, 0, BINS - 1), minlength=BINS)

    def _grow(self, radius: float) -> None:
        # Never below 2^-100, so that scales stay normal floats.
        wanted = 2.0 ** math.ceil(math.log2(max(radius, 2.0**-100)))
        if wanted <= self._radius:
            return
        if self._counts.any():
            while self._radius < wanted:
                half = self._counts.reshape(-1, 2).sum(1)
                self._counts = np.zeros(BINS, np.int64)
                self._counts[BINS // 4 : BINS // 4 + BINS // 2] = half
                self._radius *= 2
        self._radius = wanted

    def bins(self) -> tuple[Array, Array]:
        """Centres (float64) and counts of the bins that hold something."""
        used = np.flatnonzero(self._counts)
        width = 2 * self._radius / BINS
        centres = (used + 0.5) * width - self._radius
        return np.clip(centres, self.low, self.high), self._counts[used]

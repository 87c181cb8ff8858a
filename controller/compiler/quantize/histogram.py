"""A histogram of a stream whose range is not known beforehand, in bounded memory.

Bins cover [-R, R) for a power of two R. When a value falls outside, R is doubled and neighbouring
bins are merged, which loses nothing but resolution.
"""

import math

import numpy as np
from numpy.typing import NDArray

from controller.compiler.ir import FLOAT, Array

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
        """Count the elements of an array, as float32."""
        x = np.asarray(values, FLOAT).reshape(-1)
        # NaN and infinity both show in the extremes.
        if x.size and not np.isfinite([x.min(), x.max()]).all():
            finite = x[np.isfinite(x)]
            self.nonfinite += x.size - finite.size
            x = finite
        if not x.size:
            return
        low, high = float(x.min()), float(x.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._grow(max(-low, high))
        # The factor is a power of two, so places are exact; the greatest value may lie one bin too far.
        places = np.floor(x * FLOAT.type(BINS / (2 * self._radius))).astype(np.intp)
        places += BINS // 2
        counts = np.bincount(places, minlength=BINS + 1)
        self._counts += counts[:BINS]
        self._counts[-1] += counts[BINS]

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

"""What the runner must know of an input or output."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from device_agent.runner.quantize import NUMPY_TYPES


@dataclass(frozen=True)
class Tensor:
    """An input or output of a module."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None
    zero_point: int

    @cached_property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @cached_property
    def nbytes(self) -> int:
        """Size in the module, bytes."""
        return self.elements * np.dtype(NUMPY_TYPES[self.dtype]).itemsize

    @cached_property
    def given_bytes(self) -> int:
        """Size as applications give it, bytes: float32 where there is a scale."""
        return self.nbytes if self.scale is None else 4 * self.elements

    @property
    def is_bytes(self) -> bool:
        """Whether it has a scale and 8 bits: what `Border` converts."""
        return self.scale is not None and self.dtype in ("int8", "uint8")

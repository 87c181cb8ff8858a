"""All constants of a module as one block of bytes.

First biases, multipliers and tables together: recalibration changes them all. Then each weight tensor by
itself: it stays the same when its neighbours change, and so does its chunk. Equal constants are stored once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from controller.compiler.plan.steps import Constant

ALIGNMENT = 16


@dataclass(frozen=True)
class ConstantBlock:
    """The block and what lies where.

    Attributes:
        data: Every constant, each aligned to 16 bytes.
        offsets: Offset of each constant, by its bytes.
        cuts: Offsets at which a weight tensor begins.
    """

    data: bytes
    offsets: dict[bytes, int]
    cuts: tuple[int, ...]

    def offset(self, constant: Constant) -> int:
        """Where a constant lies in the block."""
        return self.offsets[to_bytes(constant)]


def to_bytes(constant: Constant) -> bytes:
    """The elements, little-endian, in the order of their packing."""
    data = constant.data
    return data.astype(data.dtype.newbyteorder("<")).tobytes(order="C")


def lay_out(constants: Iterable[Constant]) -> ConstantBlock:
    """Place every constant."""
    ordered = sorted(constants, key=lambda constant: constant.is_weight)
    block = bytearray()
    offsets: dict[bytes, int] = {}
    cuts = []
    for constant in ordered:
        data = to_bytes(constant)
        if data in offsets:
            continue
        offsets[data] = len(block)
        if constant.is_weight:
            cuts.append(len(block))
        block += data
        block += bytes(-len(block) % ALIGNMENT)
    return ConstantBlock(bytes(block), offsets, tuple(cuts))


def format_float(value: np.floating[Any]) -> str:
    """A C constant expression of exactly this float32."""
    number = float(value)
    if np.isinf(number):
        return "-__builtin_inff()" if number < 0 else "__builtin_inff()"
    return f"{number.hex()}f"

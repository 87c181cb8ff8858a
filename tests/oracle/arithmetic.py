"""The functions that ``docs/spec/numbers.md`` builds every operator from (its section *Arithmetic*).

Arrays are float32 wherever the page says f32. NumPy rounds each operation on its own and keeps
subnormals; every constant here is a ``np.float32``, so that nothing is promoted to float64.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
F32 = np.float32
INT32_LIMIT = 2**31


def f32(x: Array | float) -> Array:
    """Round to binary32, nearest, ties to even; for integers too."""
    return np.asarray(x, F32)


def maximum(a: Array | F32, b: Array | F32) -> Array:
    """``a < b ? b : a``: not ``np.maximum``, which differs on NaN and on zeros of unlike sign."""
    return np.where(np.less(a, b), b, a)


def minimum(a: Array | F32, b: Array | F32) -> Array:
    """``b < a ? b : a``."""
    return np.where(np.less(b, a), b, a)


def rne(v: Array) -> Array:
    """The nearest integer, ties to even, as int32 (``|v| <= 2**22``)."""
    return np.rint(v).astype(np.int32)


def to_int8(v: Array, zero_point: int, lo: int = -128, hi: int = 127) -> Array:
    """Clamp, round, then add the zero point; NaN gives ``lo``.

    Args:
        v: float32, the value in units of the output's scale.
        zero_point: The output's.
        lo: Least value of the output, zero point included.
        hi: Greatest value of the output.
    """
    v = maximum(F32(lo - zero_point), v)
    v = minimum(F32(hi - zero_point), v)
    return (rne(v) + zero_point).astype(np.int8)


def clip(v: Array, lo: float = -np.inf, hi: float = np.inf) -> Array:
    """The float32 counterpart of `to_int8`; NaN stays NaN."""
    return minimum(maximum(v, F32(lo)), F32(hi))


def sum4(x: Array) -> Array:
    """Sum over the last axis as four interleaved partial sums; keeps that axis, with length 1."""
    lanes = np.zeros((4, *x.shape[:-1]), F32)
    for i in range(x.shape[-1]):
        lanes[i % 4] = lanes[i % 4] + x[..., i]
    total: Array = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
    return total[..., None]


def as_int32_sum(acc: Array, node: str) -> Array:
    """Check the compiler's promise that a sum fits int32.

    Raises:
        OverflowError: It does not; ``node`` is named.
    """
    if acc.size and max(int(acc.max()), -int(acc.min())) >= INT32_LIMIT:
        raise OverflowError(f"{node}: a sum of int8 products leaves int32")
    return acc


def same_class(a: Array, b: Array) -> bool:
    """Whether two tensors are the same to the bit, all NaNs counting as one value."""
    return a.dtype == b.dtype and a.shape == b.shape and canonical(a).tobytes() == canonical(b).tobytes()


def canonical(a: Array) -> Array:
    """A copy with every NaN written as 0x7FC00000 (float64: 0x7FF8 and zeros), as digests take it."""
    copy = np.array(a, order="C")
    if copy.dtype.kind == "f":
        copy[np.isnan(copy)] = np.nan
    return copy

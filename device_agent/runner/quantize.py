"""Between float32 and the module's integers, by the two rules of `docs/spec/numbers.md`."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

NUMPY_TYPES = {
    "bool": "?", "int8": "i1", "uint8": "u1", "int16": "<i2", "uint16": "<u2", "int32": "<i4",
    "uint32": "<u4", "int64": "<i8", "uint64": "<u8", "float16": "<f2", "float32": "<f4", "float64": "<f8",
}  # fmt: skip


def quantize(values: Array, scale: float, zero_point: int, dtype: str) -> Array:
    """`to_int8(x / s)`: division in float32, clamp, round half to even, add the zero point.

    Args:
        values: float32, any shape. Infinities saturate, NaN gives the lowest value.
        scale: The tensor's scale.
        zero_point: Its zero point.
        dtype: `int8` or `uint8`, or a wider integer type.
    """
    bounds = np.iinfo(NUMPY_TYPES[dtype])
    low, high = np.float32(bounds.min - zero_point), np.float32(bounds.max - zero_point)
    # In place: on large inputs a fresh array a step costs more than the arithmetic.
    with np.errstate(over="ignore", invalid="ignore"):
        quotient = np.asarray(values / np.float32(scale))
    np.fmax(quotient, low, out=quotient)
    np.minimum(quotient, high, out=quotient)
    np.rint(quotient, out=quotient)
    if bounds.bits > 16:
        return (quotient.astype(np.int64) + zero_point).astype(NUMPY_TYPES[dtype])
    # Integers of this size are exact in float32.
    quotient += np.float32(zero_point)
    return quotient.astype(NUMPY_TYPES[dtype])


def dequantize(values: Array, scale: float, zero_point: int) -> Array:
    """`f32(q - z) * s`, float32."""
    return (values.astype(np.int32) - zero_point).astype(np.float32) * np.float32(scale)


def canonical(data: bytes, dtype: str) -> bytes:
    """The bytes that a digest covers: every NaN written 0x7FC00000."""
    if dtype != "float32":
        return data
    values = np.frombuffer(data, "<f4")
    if not np.isnan(values).any():
        return data
    return np.where(np.isnan(values), np.float32(np.nan), values).astype("<f4").tobytes()

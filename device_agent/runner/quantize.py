"""Between float32 and the module's integers, by the two rules of `docs/spec/numbers.md`."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

NUMPY_TYPES = {
    "bool": "?", "int8": "i1", "uint8": "u1", "int16": "<i2", "uint16": "<u2", "int32": "<i4",
    "uint32": "<u4", "int64": "<i8", "uint64": "<u8", "float16": "<f2", "float32": "<f4", "float64": "<f8",
}  # fmt: skip


class Quantizer:
    """`to_int8(x / s)`: division in float32, clamp, round half to even, add the zero point; into one place.

    Infinities saturate, NaN gives the lowest value.

    Args:
        place: Where results go; of an integer type, one dimension.
        scale: The tensor's scale.
        zero_point: Its zero point.
    """

    def __init__(self, place: Array, scale: float, zero_point: int) -> None:
        bounds = np.iinfo(place.dtype)
        self._place = place
        self._scale = np.float32(scale)
        self._low, self._high = np.float32(bounds.min - zero_point), np.float32(bounds.max - zero_point)
        self._zero_point = zero_point
        # Integers of this size are exact in float32.
        self._narrow = bounds.bits <= 16
        self._zero = np.float32(zero_point)
        # On large inputs a fresh array a step would cost more than the arithmetic.
        self._quotient = np.empty(place.shape, np.float32)

    def __call__(self, values: Array) -> None:
        """Quantize float32 values, as many as the place has."""
        quotient = self._quotient
        with np.errstate(over="ignore", invalid="ignore"):
            np.divide(values, self._scale, out=quotient)
        quotient.clip(self._low, self._high, out=quotient)
        # A NaN survives until here and makes the maximum one: cheaper than looking at each value.
        highest = np.maximum.reduce(quotient, initial=self._low)
        if highest != highest:  # noqa: PLR0124 - a NaN; `np.isnan` of one number takes longer than of many
            quotient[np.isnan(quotient)] = self._low
        np.rint(quotient, out=quotient)
        if self._narrow:
            np.add(quotient, self._zero, out=quotient)
            np.copyto(self._place, quotient, casting="unsafe")
        else:
            self._place[:] = quotient.astype(np.int64) + self._zero_point


def quantize(values: Array, scale: float, zero_point: int, dtype: str) -> Array:
    """`Quantizer` into a new array.

    Args:
        values: float32, any shape.
        scale: The tensor's scale.
        zero_point: Its zero point.
        dtype: `int8` or `uint8`, or a wider integer type.
    """
    result = np.empty(values.size, NUMPY_TYPES[dtype])
    Quantizer(result, scale, zero_point)(values.reshape(-1))
    return result.reshape(values.shape)


def dequantize(values: Array, scale: float, zero_point: int) -> Array:
    """`f32(q - z) * s`, float32."""
    return (values.astype(np.int32) - zero_point).astype(np.float32) * np.float32(scale)


class Dequantizer:
    """`dequantize` of one place, again and again.

    Args:
        place: Where the values lie; one dimension.
        scale: The tensor's scale.
        zero_point: Its zero point.
    """

    def __init__(self, place: Array, scale: float, zero_point: int) -> None:
        self._scale, self._zero_point = scale, zero_point
        self._place = place
        self._table: Array | None = None
        if place.itemsize == 1:
            self._place = place.view(np.uint8)
            self._table = dequantize(np.arange(256).astype(np.uint8).view(place.dtype), scale, zero_point)

    def __call__(self) -> Array:
        """The values there now, float32."""
        if self._table is None:
            return dequantize(self._place, self._scale, self._zero_point)
        return self._table.take(self._place)


def canonical(data: bytes, dtype: str) -> bytes:
    """The bytes that a digest covers: every NaN written 0x7FC00000."""
    if dtype != "float32":
        return data
    values = np.frombuffer(data, "<f4")
    if not np.isnan(values).any():
        return data
    return np.where(np.isnan(values), np.float32(np.nan), values).astype("<f4").tobytes()

"""``exp`` of ``docs/spec/numbers.md``: the reduction and polynomial of Moshier's Cephes ``expf``."""

import numpy as np

from .arithmetic import F32, Array, maximum, minimum

_LOG2_E = F32(float.fromhex("0x1.715476p+0"))
_LN2_HIGH = F32(float.fromhex("0x1.63p-1"))
_LN2_LOW = F32(float.fromhex("-0x1.bd0106p-13"))
_ROUNDER = F32(12582912)
_POLYNOMIAL = tuple(
    F32(float.fromhex(digits))
    for digits in (
        "0x1.a0d2cep-13",
        "0x1.6e879cp-10",
        "0x1.111210p-7",
        "0x1.555382p-5",
        "0x1.555554p-3",
        "0x1.000000p-1",
    )
)


def _power_of_two(k: Array) -> Array:
    """2**k from its exponent bits, int32 k in -126..127."""
    return ((k + 127) << 23).astype(np.int32).view(F32)


def exp(x: Array) -> Array:
    """float32 → float32, same shape; below 1 ulp of relative error, NaN stays NaN."""
    shape = x.shape
    x = minimum(maximum(np.atleast_1d(x), F32(-104)), F32(89))
    n = x * _LOG2_E + _ROUNDER
    k = np.where(np.isnan(x), 0, n.view(np.int32) - np.int32(0x4B400000)).astype(np.int32)
    n = n - _ROUNDER
    r = x - n * _LN2_HIGH
    r = r - n * _LN2_LOW
    p = np.full_like(x, _POLYNOMIAL[0])
    for coefficient in _POLYNOMIAL[1:]:
        p = p * r + coefficient
    y = p * (r * r) + r
    y = y + F32(1)
    half = k >> 1
    y = y * _power_of_two(half)
    y = y * _power_of_two(k - half)
    return np.reshape(y, shape)

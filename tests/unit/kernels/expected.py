"""docs/spec/numbers.md in numpy: what more than one test needs."""

import numpy as np

F32 = np.float32


def larger(a, b):
    return np.where(a < b, b, a)


def smaller(a, b):
    return np.where(b < a, b, a)


def clip(v, lo, hi):
    return smaller(larger(v, F32(lo)), F32(hi))


def to_int8(v, zero_point, lo=-128, hi=127):
    v = larger(F32(lo - zero_point), np.asarray(v, F32))
    v = smaller(F32(hi - zero_point), v)
    return (np.rint(v).astype(np.int32) + zero_point).astype(np.int8)


def exp(x):
    x = smaller(larger(x, F32(-104)), F32(89))
    n = x * F32(float.fromhex("0x1.715476p+0")) + F32(12582912)
    n = n - F32(12582912)
    r = x - n * F32(float.fromhex("0x1.63p-1"))
    r = r - n * F32(float.fromhex("-0x1.bd0106p-13"))
    p = F32(float.fromhex("0x1.a0d2cep-13"))
    for digits in ("0x1.6e879cp-10", "0x1.111210p-7", "0x1.555382p-5", "0x1.555554p-3", "0x1p-1"):
        p = p * r + F32(float.fromhex(digits))
    y = p * (r * r) + r
    y = y + F32(1)
    k = np.nan_to_num(n).astype(np.int32)
    half = k >> 1
    return y * np.ldexp(F32(1), half) * np.ldexp(F32(1), k - half)


def sum4(x):
    """Along the last axis."""
    lanes = np.zeros((*x.shape[:-1], 4), F32)
    for i in range(x.shape[-1]):
        lanes[..., i % 4] += x[..., i]
    return (lanes[..., 0] + lanes[..., 2]) + (lanes[..., 1] + lanes[..., 3])


def same(actual, wanted):
    """Equal to the bit, NaNs as a class."""
    assert actual.dtype == wanted.dtype
    assert actual.shape == wanted.shape
    if actual.dtype != F32:
        np.testing.assert_array_equal(actual, wanted)
        return
    nan = np.isnan(wanted)
    np.testing.assert_array_equal(np.isnan(actual), nan)
    np.testing.assert_array_equal(actual[~nan].view(np.int32), wanted[~nan].view(np.int32))


def awkward_floats(rng, shape):
    """Ordinary numbers with every kind of special one strewn in."""
    x = (rng.standard_normal(shape) * 10 ** rng.uniform(-3, 2, shape)).astype(F32)
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-40, 3.4e38, 6.0, -3.0], F32)
    return np.where(rng.random(shape) < 0.15, rng.choice(special, shape), x).astype(F32)

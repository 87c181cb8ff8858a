"""Elementary functions in float64, as ``docs/spec/numbers.md`` writes them (*Elementary functions*).

Every function takes and gives float64 arrays of one shape, and rounds after each operation.
"""

from fractions import Fraction
from math import factorial

import numpy as np

from .arithmetic import Array

F64 = np.float64
LARGEST = float.fromhex("0x1.fffffffffffffp1023")
HALF_PI = F64(float.fromhex("0x1.921fb54442d18p+0"))
_HALF_PI_LOW = F64(float.fromhex("0x1.1a62633145c07p-54"))
_QUARTER_PI = F64(float.fromhex("0x1.921fb54442d18p-1"))
_LN2_HIGH = F64(float.fromhex("0x1.62e42fee00000p-1"))
_LN2_LOW = F64(float.fromhex("0x1.a39ef35793c76p-33"))
_LOG2_E = F64(float.fromhex("0x1.71547652b82fep+0"))
_PIECES = tuple(
    F64(float.fromhex(digits))
    for digits in ("0x1.921fb54400000p+0", "0x1.0b4611a600000p-34", "0x1.3198a2e037073p-69")
)
_TWO_OVER_PI = F64(float.fromhex("0x1.45f306dc9c883p-1"))
_TWO_OVER_SQRT_PI = F64(float.fromhex("0x1.20dd750429b6dp+0"))
_SQRT_PI = F64(float.fromhex("0x1.c5bf891b4ef6bp+0"))
_SQRT2 = F64(float.fromhex("0x1.6a09e667f3bcdp+0"))
_TAN_PI_8 = F64(float.fromhex("0x1.a827999fcef32p-2"))
_ROUNDER = F64(3 * 2.0**51)


def _series(*terms: Fraction) -> tuple[F64, ...]:
    return tuple(F64(float(term)) for term in terms)


_EXP = _series(*(Fraction(1, factorial(n)) for n in range(17)))
_SIN = _series(*(Fraction((-1) ** n, factorial(2 * n + 1)) for n in range(9)))
_COS = _series(*(Fraction((-1) ** n, factorial(2 * n)) for n in range(10)))
_SINH = _series(*(Fraction(1, factorial(2 * n + 1)) for n in range(11)))
_LOG = _series(*(Fraction(2, 2 * n + 3) for n in range(11)))
_ATAN = _series(*(Fraction((-1) ** n, 2 * n + 1) for n in range(13)))


def horner(coefficients: tuple[F64, ...], x: Array) -> Array:
    """The polynomial whose coefficients are given from the constant one on."""
    p = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        p = p * x + c
    return p


def _power_of_two(k: Array) -> Array:
    return ((k.astype(np.int64) + 1023) << 52).view(F64)


def exp(x: Array) -> Array:
    """e to the power of x."""
    nan = np.isnan(x)
    c = np.where(x < -746.0, F64(-746.0), np.where(x > 710.0, F64(710.0), np.where(nan, F64(0), x)))
    n = (c * _LOG2_E + _ROUNDER) - _ROUNDER
    r = c - n * _LN2_HIGH
    r = r - n * _LN2_LOW
    k = n.astype(np.int64)
    y = horner(_EXP[:14], r) * _power_of_two(k >> 1) * _power_of_two(k - (k >> 1))
    return np.where(nan, x, y)


def expm1(x: Array) -> Array:
    """exp(x) - 1."""
    return np.where(np.abs(x) < 0.5, x * horner(_EXP[1:], x), exp(x) - 1.0)


def log(x: Array) -> Array:
    """The natural logarithm."""
    tiny = x < 2.0**-1022
    fraction, exponent = np.frexp(np.where(tiny, x * 2.0**54, x))
    m, e = fraction * 2.0, exponent.astype(np.int64) - 1 - np.where(tiny, 54, 0)
    large = m > _SQRT2
    m, n = np.where(large, m * 0.5, m), (e + large).astype(F64)
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    t = z * horner(_LOG, z)
    h = 0.5 * f * f
    y = n * _LN2_HIGH - ((h - (s * (h + t) + n * _LN2_LOW)) - f)
    y = np.where(x > LARGEST, x, y)
    return np.where(x > 0, y, np.where(x == 0, F64(-np.inf), F64(np.nan)))


def log1p(x: Array) -> Array:
    """log(1 + x)."""
    u = 1.0 + x
    y = log(u) + (x - (u - 1.0)) / u
    return np.where(u == 1.0, x, np.where(u <= LARGEST, y, u))


def _reduce(x: Array) -> tuple[Array, Array]:
    """To [-pi/4, pi/4], and how many quarters of a turn went, modulo 4."""
    within = np.abs(x) < 2.0**50
    c = np.where(within, x, F64(0))
    n = (c * _TWO_OVER_PI + _ROUNDER) - _ROUNDER
    r = c
    for piece in _PIECES:
        r = r - n * piece
    return np.where(within, r, x - x), n.astype(np.int64) & 3


def _quarter(r: Array, quadrant: Array) -> Array:
    z = r * r
    v = np.where(quadrant & 1, horner(_COS, z), r * horner(_SIN, z))
    return np.where(quadrant & 2, -v, v)


def sin(x: Array) -> Array:
    """The sine."""
    return _quarter(*_reduce(x))


def cos(x: Array) -> Array:
    """The cosine."""
    r, quadrant = _reduce(x)
    return _quarter(r, quadrant + 1)


def tan(x: Array) -> Array:
    """The tangent."""
    r, quadrant = _reduce(x)
    return _quarter(r, quadrant) / _quarter(r, quadrant + 1)


def atan(x: Array) -> Array:
    """The arc tangent."""
    a = np.abs(x)
    y = np.where(a > 1.0, 1.0 / a, a)
    upper = y > _TAN_PI_8
    y = np.where(upper, (y - 1.0) / (y + 1.0), y)
    y = y / (1.0 + np.sqrt(1.0 + y * y))
    v = 2.0 * (y * horner(_ATAN, y * y)) + np.where(upper, _QUARTER_PI, F64(0))
    v = np.where(a > 1.0, (HALF_PI - v) + _HALF_PI_LOW, v)
    return np.copysign(v, x)


def asin(x: Array) -> Array:
    """The arc sine."""
    return atan(x / np.sqrt((1.0 - x) * (1.0 + x)))


def acos(x: Array) -> Array:
    """The arc cosine."""
    return 2.0 * atan(np.sqrt((1.0 - x) / (1.0 + x)))


def sinh(x: Array) -> Array:
    """The hyperbolic sine."""
    a = np.abs(x)
    half = exp(0.5 * a)
    v = (0.5 * half) * half - 0.5 / half / half
    return np.where(a < 1.0, x * horner(_SINH, x * x), np.copysign(v, x))


def cosh(x: Array) -> Array:
    """The hyperbolic cosine."""
    half = exp(0.5 * np.abs(x))
    return (0.5 * half) * half + 0.5 / half / half


def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    a = np.abs(x)
    v = np.copysign(1.0 - 2.0 / (exp(2.0 * a) + 1.0), x)
    return np.where(a < 1.0, sinh(x) / cosh(x), v)


def asinh(x: Array) -> Array:
    """The inverse of sinh."""
    a = np.abs(x)
    v = log1p(a + a * a / (1.0 + np.sqrt(a * a + 1.0)))
    v = np.where(a > 2.0**500, log(a) + log(np.full_like(x, 2.0)), v)
    return np.copysign(v, x)


def acosh(x: Array) -> Array:
    """The inverse of cosh."""
    v = log1p((x - 1.0) + np.sqrt((x - 1.0) * (x + 1.0)))
    v = np.where(x > 2.0**500, log(x) + log(np.full_like(x, 2.0)), v)
    return np.where(x >= 1.0, v, F64(np.nan))


def atanh(x: Array) -> Array:
    """The inverse of tanh."""
    a = np.abs(x)
    return np.copysign(0.5 * log1p(2.0 * a / (1.0 - a)), x)


def erf(x: Array) -> Array:
    """The error function."""
    a = np.abs(x)
    z = a * a
    total = np.ones_like(x)
    for n in range(50, 0, -1):
        total = 1.0 + 2.0 * z / (2.0 * n + 1.0) * total
    near = x * (_TWO_OVER_SQRT_PI * exp(-z) * total)
    k = a
    for n in range(60, 0, -1):
        k = a + 0.5 * n / k
    far = np.copysign(1.0 - exp(-z) / (_SQRT_PI * k), x)
    far = np.where(a < 6.0, far, np.where(np.isnan(x), x, np.copysign(F64(1.0), x)))
    return np.where(a < 3.0, near, far)


def power(x: Array, y: Array) -> Array:
    """x to the power of y: by squaring for integers up to 2**31, else exp(y · log |x|)."""
    x, y = np.broadcast_arrays(x, y)
    a = np.abs(y)
    whole = (a <= 2.0**31) & (np.trunc(a) == a)
    n = np.where(whole, a, 0.0).astype(np.int64)
    result, square = np.ones(x.shape, F64), np.array(x)
    while n.any():
        result = np.where(n & 1, result * square, result)
        square = np.where(n > 0, square * square, square)
        n = n >> 1
    result = np.where(y < 0, 1.0 / result, result)
    undefined = (x < 0) & (x >= -LARGEST) & (a < 2.0**52)
    other = np.where(undefined, F64(np.nan), exp(y * log(np.abs(x))))
    return np.where((y == 0) | (x == 1), F64(1), np.where(whole, result, other))

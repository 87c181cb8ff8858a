"""General operators on single elements, of any type, with broadcasting."""

from collections.abc import Callable
from typing import Any

import numpy as np

from . import functions
from .arithmetic import F32, Array, maximum, minimum
from .exponential import exp as exp_f32
from .layer import Layer, Operator

F64 = np.float64
Function = Callable[[Array], Array]

_ERF_F32 = tuple(
    F64(float.fromhex(digits))
    for digits in (
        *("0x1.6a040781a7b95p-2", "-0x1.69a0ccd72c81cp-3", "0x1.0dabaf0033610p-3", "-0x1.b92e978104aeep-4"),
        *("0x1.717efe4bd8491p-4", "-0x1.3215b3396b636p-4", "0x1.ea97b8b080dc0p-5", "-0x1.76eb44e57404cp-5"),
        *("0x1.0ed6ed1529e3ap-5", "-0x1.701600d170db6p-6", "0x1.d614c3d912f35p-7", "-0x1.1aca00be97fb7p-7"),
        *("0x1.3ecee749904f2p-8", "-0x1.4ba8ae25833b9p-9", "0x1.4d883ff2cc5fap-10", "-0x1.60e42271c575ap-11"),
        *("0x1.39b6b92fb1130p-12", "-0x1.2f51a92b2b3c3p-14", "0x1.04abfaa551ef4p-15"),
        *("-0x1.33faeb0659603p-15", "0x1.bcc7e26df7451p-17"),
    )
)


def to_integer(v: Array, dtype: np.dtype[Any]) -> Array:
    """Floats towards zero; what is too large saturates, NaN gives 0."""
    limits = np.iinfo(dtype)
    above = 2.0 ** (limits.bits - (dtype.kind == "i"))
    inside = (v > limits.min) & (v < above)
    result = np.where(inside, v, 0).astype(dtype)
    result[v >= above] = limits.max
    result[v <= limits.min] = limits.min
    return result


def convert(v: Array, dtype: np.dtype[Any]) -> Array:
    """`v` as another type."""
    if dtype.kind == "b":
        return np.not_equal(v, 0)
    if v.dtype.kind == "f" and dtype.kind in "iu":
        return to_integer(np.asarray(v), dtype)
    if dtype == np.float16:
        return v.astype(F32).astype(dtype)
    return v.astype(dtype)


def cast(layer: Layer) -> Array:
    """To the output's type."""
    return convert(layer.x(0), layer.out.dtype)


def by_type(function: Function, *, single: Function | None = None) -> Function:
    """A function of float64, for float32 too: rounded once, or ``single``."""

    def apply(x: Array) -> Array:
        if x.dtype == F64:
            return function(x)
        return single(x) if single else function(x.astype(F64)).astype(F32)

    return apply


def _erf_f32(x: Array) -> Array:
    v = x.astype(F64)
    polynomial = (v * functions.horner(_ERF_F32, (v * v - 8.0) * 0.125)).astype(F32)
    return np.where(np.abs(v) < 4.0, polynomial, np.where(np.isnan(x), x, np.copysign(F32(1), x)))


FUNCTIONS: dict[str, Function] = {
    name.capitalize(): by_type(getattr(functions, name))
    for name in (
        *("acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "log", "sin", "sinh", "tan"),
        "tanh",
    )
}
FUNCTIONS["Erf"] = by_type(functions.erf, single=_erf_f32)
FUNCTIONS["Exp"] = by_type(functions.exp, single=exp_f32)
_expm1, _log1p = by_type(functions.expm1), by_type(functions.log1p)


def _sign(x: Array) -> Array:
    sign = np.asarray(x > 0, np.int8) - np.asarray(x < 0, np.int8)
    return np.where(np.isnan(x), x, sign.astype(x.dtype)) if x.dtype.kind == "f" else sign.astype(x.dtype)


def _softplus(x: Array) -> Array:
    return _log1p(FUNCTIONS["Exp"](-np.abs(x))) + np.where(x > 0, x, x.dtype.type(0))


def _rounding(function: Function) -> Function:
    return lambda x: function(x) if x.dtype.kind == "f" else x


_UNARY: dict[str, Function] = {
    **FUNCTIONS,
    "Abs": np.abs,
    "BitwiseNot": np.invert,
    "Ceil": _rounding(np.ceil),
    "Floor": _rounding(np.floor),
    "IsNaN": np.isnan,
    "Neg": np.negative,
    "Not": np.logical_not,
    "Reciprocal": lambda x: x.dtype.type(1) / x,
    "Round": _rounding(np.rint),
    "Sign": _sign,
    "Softplus": _softplus,
    "Softsign": lambda x: x / (x.dtype.type(1) + np.abs(x)),
    "Sqrt": np.sqrt,
}


def _constant(layer: Layer, name: str) -> np.float32 | np.float64:
    """An attribute, a float32 value, as a number of the input's type."""
    value = F32(layer.node.attrs[name])
    return F64(value) if layer.x(0).dtype == F64 else value


def _elu(layer: Layer) -> Array:
    x = layer.x(0)
    return np.where(x < 0, _constant(layer, "alpha") * _expm1(x), x)


def _leaky_relu(layer: Layer) -> Array:
    x = layer.x(0)
    return np.where(x < 0, _constant(layer, "alpha") * x, x)


def _selu(layer: Layer) -> Array:
    x = layer.x(0)
    return np.asarray(_constant(layer, "gamma") * np.where(x > 0, x, _constant(layer, "alpha") * _expm1(x)))


def _thresholded_relu(layer: Layer) -> Array:
    x = layer.x(0)
    return np.where(x > _constant(layer, "alpha"), x, x.dtype.type(0))


def _shrink(layer: Layer) -> Array:
    x, alpha, beta = layer.x(0), _constant(layer, "alpha"), _constant(layer, "beta")
    v = x if x.dtype.kind == "f" else x.astype(F32)
    y = np.where(v < -alpha, v + beta, np.where(v > alpha, v - beta, v.dtype.type(0)))
    return convert(y, x.dtype)


def _is_inf(layer: Layer) -> Array:
    x, attrs = layer.x(0), layer.node.attrs
    return (bool(attrs["negative"]) & np.isneginf(x)) | (bool(attrs["positive"]) & np.isposinf(x))


def _shift(layer: Layer) -> Array:
    """By the width or more, or by a negative number, nothing is left but the sign."""
    a, b = np.broadcast_arrays(layer.x(0), layer.x(1))
    inside = (b >= 0) & (b < 8 * a.dtype.itemsize)
    by = np.where(inside, b, b.dtype.type(0))
    if layer.node.attrs["direction"] == "LEFT":
        return np.asarray(np.where(inside, np.left_shift(a, by), a.dtype.type(0)))
    return np.where(inside, np.right_shift(a, by), -(a < 0).astype(a.dtype))


def _mod(layer: Layer) -> Array:
    a, b = layer.x(0), layer.x(1)
    c_like = bool(layer.node.attrs["fmod"])
    if a.dtype.kind == "f":
        r = np.fmod(a.astype(F64), b.astype(F64))
        if not c_like:
            moved = np.where((r < 0) != (b < 0), r + b, r)
            r = np.where(r == 0, np.copysign(F64(0), b.astype(F64)), moved)
        return r.astype(a.dtype)
    return (np.fmod if c_like else np.mod)(a, b)


def _integer_power(a: Array, b: Array) -> Array:
    a, b = np.broadcast_arrays(a, b)
    n = np.where(b < 0, b.dtype.type(0), b)
    result, square = np.ones(a.shape, a.dtype), np.array(a)
    while n.any():
        result = np.where(n & 1, result * square, result)
        square = square * square
        n = n >> 1
    if a.dtype.kind == "u":
        return result
    odd = np.where(b & 1, a, np.ones_like(a))
    fraction = np.where(a == 1, np.ones_like(a), np.where(a == -1, odd, np.zeros_like(a)))
    return np.where(b < 0, fraction, result)


def _power(layer: Layer) -> Array:
    a, b = layer.x(0), layer.x(1)
    if a.dtype.kind in "iu":
        return _integer_power(a, b)
    return functions.power(a.astype(F64), b.astype(F64)).astype(a.dtype)


def _prelu(a: Array, b: Array) -> Array:
    return np.where(a < 0, a * b, a)


_BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "And": np.logical_and,
    "BitwiseAnd": np.bitwise_and,
    "BitwiseOr": np.bitwise_or,
    "BitwiseXor": np.bitwise_xor,
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Max": maximum,
    "Min": minimum,
    "Or": np.logical_or,
    "PRelu": _prelu,
    "Xor": np.logical_xor,
}


def _one(function: Function) -> Operator:
    return lambda layer: np.asarray(function(layer.x(0)))


def _two(function: Callable[[Array, Array], Array]) -> Operator:
    return lambda layer: np.asarray(function(layer.x(0), layer.x(1)))


OPERATORS: dict[str, Operator] = {
    **{op: _one(function) for op, function in _UNARY.items()},
    **{op: _two(function) for op, function in _BINARY.items()},
    "BitShift": _shift,
    "Cast": cast,
    "Elu": _elu,
    "IsInf": _is_inf,
    "LeakyRelu": _leaky_relu,
    "Mod": _mod,
    "Pow": _power,
    "Selu": _selu,
    "Shrink": _shrink,
    "ThresholdedRelu": _thresholded_relu,
}

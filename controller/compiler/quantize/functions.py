"""Unary functions as int8 tables, and the table of Softmax: `docs/spec/numbers.md`, *int8*."""

import math
from collections.abc import Callable

import numpy as np

from controller.compiler.ir import FLOAT, INT8, Array, Node, Quant

Function = Callable[[Array], Array]
"""float64 → float64."""

_SIXTH = float(np.float32(1 / 6))


def quantize_array(x: Array, quant: Quant) -> Array:
    """QuantizeLinear: `to_int8(x / s)`, a float32 division, clamped before rounding; NaN gives -128."""
    with np.errstate(over="ignore", invalid="ignore"):
        v = np.asarray(x, FLOAT) / quant.s
    low, high = FLOAT.type(-128 - quant.zero_point), FLOAT.type(127 - quant.zero_point)
    v = np.where(np.less(low, v), v, low)
    result: Array = (np.rint(np.minimum(v, high)).astype(np.int32) + quant.zero_point).astype(INT8)
    return result


def dequantize_array(q: Array, quant: Quant) -> Array:
    """DequantizeLinear: `f32(q - z) · s`."""
    return (q.astype(np.int32) - quant.zero_point).astype(FLOAT) * quant.s


def unary_function(node: Node, constants: list[Array | None]) -> Function | None:
    """What a node does to its only activation; None if it has several or is no such operator.

    Args:
        node: Of the float graph.
        constants: For each input its value, None for activations.
    """
    core: Function | None = None
    if node.op in ("Relu", "Clip"):
        core = _identity
    elif node.op == "HardSigmoid":
        alpha, beta = node.attrs["alpha"], node.attrs["beta"]
        core = lambda x: np.clip(alpha * x + beta, 0, 1)  # noqa: E731 - one expression of two attributes
    elif node.op == "HardSwish":
        core = _hard_swish
    elif node.op == "Sigmoid":
        core = _sigmoid
    elif node.op in _UNARY:
        core = _with_attributes(_UNARY[node.op], node)
    elif node.op in _BINARY and len(constants) == 2:
        core = _with_constant(_BINARY[node.op], constants)
    if core is None:
        return None
    low, high = node.attrs.get("clamp", (-math.inf, math.inf))
    function = core
    return lambda x: np.clip(function(x), low, high)


def _identity(x: Array) -> Array:
    return x


def _hard_swish(x: Array) -> Array:
    return x * np.clip(x * _SIXTH + 0.5, 0, 1)


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _elu(x: Array, alpha: float) -> Array:
    return np.where(x < 0, alpha * np.expm1(x), x)


# Functions whose result an int8 scale can hold; those that grow or fall without bound stay float32.
_UNARY: dict[str, Callable[..., Array]] = {
    "Abs": np.abs,
    "Elu": _elu,
    "Erf": np.vectorize(math.erf, otypes=[np.float64]),
    "LeakyRelu": lambda x, alpha: np.where(x < 0, alpha * x, x),
    "Neg": np.negative,
    "Selu": lambda x, alpha, beta, gamma: gamma * _elu(x, alpha) + 0 * beta,
    "Softplus": lambda x: np.logaddexp(x, 0),
    "Softsign": lambda x: x / (1 + np.abs(x)),
    "Tanh": np.tanh,
    "ThresholdedRelu": lambda x, alpha: np.where(x > alpha, x, 0),
}


def _with_attributes(function: Callable[..., Array], node: Node) -> Function:
    constants = {key: node.attrs[key] for key in ("alpha", "beta", "gamma") if key in node.attrs}
    return lambda x: function(x, **constants)


_BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
}


def _with_constant(
    operation: Callable[[Array, Array], Array], constants: list[Array | None]
) -> Function | None:
    left, right = constants
    if right is not None and right.size == 1:
        value = right.reshape(-1)[0].astype(np.float64)
        return lambda x: operation(x, value)
    if left is not None and left.size == 1:
        value = left.reshape(-1)[0].astype(np.float64)
        return lambda x: operation(value, x)
    return None


def unary_table(function: Function, x: Quant, y: Quant) -> Array:
    """`T[q + 128] = QuantizeLinear(f32(fn(DequantizeLinear(q))))`, int8 [256]."""
    reals = dequantize_array(np.arange(-128, 128), x).astype(np.float64)
    with np.errstate(all="ignore"):
        return quantize_array(function(reals).astype(FLOAT), y)


def softmax_table(scale: float, length: int) -> Array:
    """`T[i] = floor(2^k · exp(-s·i) + ½)`, uint32 [256], so that no sum of `length` terms exceeds 2³⁰."""
    k = min(23, 30 - math.ceil(math.log2(length))) if length > 1 else 23
    table: Array = np.floor(2.0**k * np.exp(-scale * np.arange(256)) + 0.5).astype(np.uint32)
    return table

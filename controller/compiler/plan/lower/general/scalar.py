"""Operators on single elements: for each its C expression, by the kind of its type."""

from collections.abc import Callable

import numpy as np

from controller.compiler.plan.lower.common import Lowering, Site
from controller.compiler.plan.lower.general.common import c_type, suffix
from controller.compiler.plan.lower.general.elementwise import binary, unary
from controller.compiler.plan.steps import Step

FUNCTIONS = (
    *("Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cos", "Cosh", "Erf", "Exp", "Log"),
    *("Sin", "Sinh", "Tan", "Tanh"),
)
"""Operators that are one function of `general/functions.h`."""

_ROUNDINGS = {"Ceil": "ceil", "Floor": "floor", "Round": "rint", "Sqrt": "sqrt"}


def _wide(dtype: np.dtype[np.generic]) -> str:
    """The unsigned type in which an integer wraps."""
    return "uint64_t" if dtype.itemsize == 8 else "uint32_t"


def _negated(site: Site, x: str) -> str:
    dtype = site.tensor(0).dtype
    return f"(-{x})" if dtype.kind == "f" else f"(({c_type(dtype)})(0u - ({_wide(dtype)}){x}))"


def _function(site: Site) -> str:
    return f"fleet_{site.node.op.lower()}_{suffix(site.out.dtype)}(x)"


def _rounding(site: Site) -> str:
    if site.out.dtype.kind != "f":
        return "(x)"
    return f"__builtin_{_ROUNDINGS[site.node.op]}{'f' if site.out.dtype == np.float32 else ''}(x)"


def _abs(site: Site) -> str:
    dtype = site.out.dtype
    if dtype.kind == "f":
        return f"fleet_abs_{suffix(dtype)}(x)"
    return "(x)" if dtype.kind == "u" else f"(x < 0 ? {_negated(site, 'x')} : x)"


def _sign(site: Site) -> str:
    c = c_type(site.out.dtype)
    if site.out.dtype.kind == "u":
        return f"(({c})(x > 0))"
    return f"(x != x ? x : ({c})((x > 0) - (x < 0)))"


def _shrink(site: Site) -> str:
    """Integers are computed as float32."""
    dtype = site.out.dtype
    x = "x" if dtype.kind == "f" else "((float)x)"
    moved = f"({x} < -p->alpha ? {x} + p->beta : {x} > p->alpha ? {x} - p->beta : 0)"
    return moved if dtype.kind == "f" else f"fleet_{suffix(dtype)}_from_f64((double){moved})"


def _f(site: Site, name: str) -> str:
    return f"fleet_{name}_{suffix(site.out.dtype)}"


_UNARY: dict[str, Callable[[Site], str]] = {
    **dict.fromkeys(FUNCTIONS, _function),
    **dict.fromkeys(_ROUNDINGS, _rounding),
    "Abs": _abs,
    "BitwiseNot": lambda s: f"(({c_type(s.out.dtype)})~x)",
    "Elu": lambda s: f"(x < 0 ? p->alpha * {_f(s, 'expm1')}(x) : x)",
    "IsNaN": lambda _: "(x != x)",
    "LeakyRelu": lambda _: "(x < 0 ? p->alpha * x : x)",
    "Neg": lambda s: _negated(s, "x"),
    "Not": lambda _: "(!x)",
    "Reciprocal": lambda _: "(1 / x)",
    "Selu": lambda s: f"(p->gamma * (x > 0 ? x : p->alpha * {_f(s, 'expm1')}(x)))",
    "Shrink": _shrink,
    "Sign": _sign,
    "Softplus": lambda s: f"({_f(s, 'log1p')}({_f(s, 'exp')}(-{_f(s, 'abs')}(x))) + (x > 0 ? x : 0))",
    "Softsign": lambda s: f"(x / (1 + {_f(s, 'abs')}(x)))",
    "ThresholdedRelu": lambda _: "(x > p->alpha ? x : 0)",
}


def _one(site: Site) -> Step:
    attrs = site.node.attrs
    constants = {name: np.float32(attrs[name]) for name in ("alpha", "beta", "gamma") if name in attrs}
    return unary(site, site.node.op.lower(), _UNARY[site.node.op](site), **constants)


def _is_inf(site: Site) -> Step:
    signs = {"negative": "x < -{m}", "positive": "x > {m}"}
    largest = "0x1.fffffep127f" if site.tensor(0).dtype == np.float32 else "0x1.fffffffffffffp1023"
    asked = [key for key in signs if site.node.attrs[key]]
    tests = " || ".join(signs[key].format(m=largest) for key in asked) or "(x, 0)"
    return unary(site, "_".join(("isinf", *asked)), f"({tests})")


def _compare(symbol: str) -> Callable[[Site], str]:
    return lambda _: f"(a {symbol} b)"


def _bits(symbol: str) -> Callable[[Site], str]:
    return lambda site: f"(({c_type(site.out.dtype)})(a {symbol} b))"


def _by_type(name: str) -> Callable[[Site], str]:
    """A function for each float type, and for integers of 64 bits."""

    def expression(site: Site) -> str:
        dtype = site.out.dtype
        if dtype.kind == "f":
            return f"fleet_{name}_{suffix(dtype)}(a, b)"
        sign = "s" if dtype.kind == "i" else "u"
        return f"(({c_type(dtype)})fleet_{name}_{sign}64(a, b))"

    return expression


def _shift(site: Site) -> str:
    """By the width or more, or by a negative number, nothing is left but the sign."""
    dtype = site.out.dtype
    c, left = c_type(dtype), site.node.attrs["direction"] == "LEFT"
    shifted = "(uint64_t)a << b" if left else "a >> b"
    rest = "0" if left or dtype.kind == "u" else "a < 0 ? -1 : 0"
    return f"(({c})((uint64_t)b < {8 * dtype.itemsize} ? ({c})({shifted}) : ({c})({rest})))"


def _mod(site: Site) -> str:
    c_like = site.node.attrs["fmod"] and site.out.dtype.kind != "u"
    return _by_type("fmod" if c_like else "mod")(site)


def _prelu(site: Site) -> str:
    dtype = site.out.dtype
    if dtype.kind == "f":
        return "(a < 0 ? a * b : a)"
    wide = _wide(dtype)
    return "((void)b, a)" if dtype.kind == "u" else f"(a < 0 ? ({c_type(dtype)})(({wide})a * ({wide})b) : a)"


_BINARY: dict[str, Callable[[Site], str]] = {
    "And": _compare("&&"),
    "BitShift": _shift,
    "BitwiseAnd": _bits("&"),
    "BitwiseOr": _bits("|"),
    "BitwiseXor": _bits("^"),
    "Equal": _compare("=="),
    "Greater": _compare(">"),
    "GreaterOrEqual": _compare(">="),
    "Less": _compare("<"),
    "LessOrEqual": _compare("<="),
    "Max": lambda _: "(a < b ? b : a)",
    "Min": lambda _: "(b < a ? b : a)",
    "Mod": _mod,
    "Or": _compare("||"),
    "PRelu": _prelu,
    "Pow": _by_type("pow"),
    "Xor": _compare("!="),
}


def _two(site: Site) -> Step:
    attrs = site.node.attrs
    variant = "_".join(str(attrs[key]).lower() for key in ("direction", "fmod") if key in attrs)
    return binary(site, site.node.op.lower() + variant, _BINARY[site.node.op](site))


LOWERINGS: dict[str, Lowering] = {
    **dict.fromkeys(_UNARY, _one),
    **dict.fromkeys(_BINARY, _two),
    "IsInf": _is_inf,
}

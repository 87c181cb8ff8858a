"""Add, Sub, Mul and Div with broadcasting."""

import numpy as np

from controller.compiler.ir import FLOAT, Tensor
from controller.compiler.plan.lower.common import Lowering, Site
from controller.compiler.plan.lower.general import elementwise as general
from controller.compiler.plan.lower.general.common import c_type
from controller.compiler.plan.memory import broadcast_strides, loops
from controller.compiler.plan.steps import Call, Params, Slot, Step

_SYMBOLS = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/"}


def binary(site: Site) -> Step:
    """One kernel for each operator; Sub of int8 is Add with a negative ratio."""
    if not site.is_int8 and site.out.dtype != FLOAT:
        return _any_type(site)
    a, b, out = site.tensor(0), site.tensor(1), site.out
    sizes, (a_steps, b_steps) = loops(
        out.shape, out.memory, [broadcast_strides(a, out.shape), broadcast_strides(b, out.shape)]
    )
    broadcast: Params = {"rank": len(sizes), "shape": sizes, "a_stride": a_steps, "b_stride": b_steps}
    op = site.node.op.lower()
    if site.is_int8:
        kernel = "fleet_mul_s8" if op == "mul" else "fleet_add_s8"
        struct = f"{kernel}_params"
        params = {"broadcast": broadcast, **_scales(site)}
    else:
        kernel, struct = f"fleet_{op}_f32", "fleet_binary_f32_params"
        params = {"broadcast": broadcast, **site.bounds_f32()}
    call = Call(kernel, struct, params, (site.argument(0), site.argument(1), Slot(out.name)))
    return site.step(call, in_place=tuple(t.name for t in (a, b) if _walks_alike(t, out)))


def _any_type(site: Site) -> Step:
    """Integers wrap; dividing by zero gives 0, as nothing may trap because of data."""
    symbol, name = _SYMBOLS[site.node.op], site.node.op.lower()
    c, wide = c_type(site.out.dtype), "uint64_t" if site.out.dtype.itemsize == 8 else "uint32_t"
    if site.out.dtype.kind == "f":
        return general.binary(site, name, f"((a) {symbol} (b))")
    if site.node.op != "Div":
        return general.binary(site, name, f"(({c})(({wide})(a) {symbol} ({wide})(b)))")
    minus = f"(b) == ({c})-1 ? ({c})(0u - ({wide})(a)) : " if site.out.dtype.kind == "i" else ""
    return general.binary(site, name, f"(({c})((b) == 0 ? 0 : {minus}(a) / (b)))")


def _walks_alike(operand: Tensor, out: Tensor) -> bool:
    """Whether the output may overwrite an operand: element by element in the same places."""
    return not operand.is_constant and operand.shape == out.shape and operand.order == out.order


def _scales(site: Site) -> Params:
    a, b, y = site.quant(0), site.quant(1), site.out_quant
    points = {"a_zero_point": a.zero_point, "b_zero_point": b.zero_point, **site.bounds_s8()}
    if site.node.op == "Mul":
        return {**points, "multiplier": np.float32(np.float32(a.s * b.s) / y.s)}
    b_ratio = np.float32(b.s / y.s)
    return {
        **points,
        "a_ratio": np.float32(a.s / y.s),
        "b_ratio": -b_ratio if site.node.op == "Sub" else b_ratio,
    }


LOWERINGS: dict[str, Lowering] = dict.fromkeys(("Add", "Sub", "Mul", "Div"), binary)

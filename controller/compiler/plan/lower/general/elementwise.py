"""Operators on elements of any type: one template for each number of operands."""

import numpy as np

from controller.compiler.ir import Tensor
from controller.compiler.plan.lower.common import Lowering, Site
from controller.compiler.plan.lower.general.common import broadcast_walk, c_type, instance, suffix
from controller.compiler.plan.steps import Params, Slot, Step

_FLOATS = ("float16", "float32", "float64")


def unary(site: Site, name: str, expression: str, **constants: np.float32) -> Step:
    """One call of `unary.h`.

    Args:
        site: The node.
        name: Of the operation; the suffixes of the types are added.
        expression: In C, of `x`.
        **constants: alpha, beta, gamma.
    """
    x, out = site.tensor(0), site.out
    params: Params = {"count": out.size, **constants}
    call = instance(
        "unary.h",
        f"fleet_{name}_{suffix(x.dtype)}_{suffix(out.dtype)}",
        "fleet_unary",
        params,
        (site.argument(0), Slot(out.name)),
        X=c_type(x.dtype),
        Y=c_type(out.dtype),
        **{"OP(x)": expression},
    )
    return site.step(call, in_place=(x.name,) if x.dtype.itemsize == out.dtype.itemsize else ())


def binary(site: Site, name: str, expression: str) -> Step:
    """One call of `binary.h`; `expression` is C, of `a` and `b`."""
    a, b, out = site.tensor(0), site.tensor(1), site.out
    call = instance(
        "binary.h",
        f"fleet_{name}_{suffix(a.dtype)}_{suffix(out.dtype)}",
        "fleet_walk",
        broadcast_walk(out, [a, b]),
        (site.argument(0), site.argument(1), Slot(out.name)),
        X=c_type(a.dtype),
        Y=c_type(out.dtype),
        **{"OP(a, b)": expression},
    )
    return site.step(call, in_place=tuple(t.name for t in (a, b) if walks_alike(t, out)))


def walks_alike(operand: Tensor, out: Tensor) -> bool:
    """Whether the output may overwrite an operand: element by element in the same places."""
    return (
        not operand.is_constant
        and operand.shape == out.shape
        and operand.order == out.order
        and operand.dtype.itemsize == out.dtype.itemsize
    )


def cast(site: Site) -> Step:
    """Cast: floats become integers towards zero and saturate, integers wrap."""
    source, target = site.tensor(0).dtype, site.out.dtype
    value = "fleet_half_to_f32(x)" if source.name == "float16" else "(x)"
    y = c_type(target)
    if target.name == "bool":
        expression = f"({value} != 0)"
    elif target.name == "float16":
        expression = f"fleet_half_from_f32((float){value})"
    elif source.name in _FLOATS and target.kind in "iu":
        expression = f"fleet_{suffix(target)}_from_f64((double){value})"
    else:
        expression = f"(({y}){value})"
    return unary(site, "cast", expression)


LOWERINGS: dict[str, Lowering] = {"Cast": cast}

"""Operators that fold dimensions away, or run along one."""

import math

import numpy as np

from controller.compiler.plan.lower.common import Lowering, Site
from controller.compiler.plan.lower.general.common import c_type, instance, suffix
from controller.compiler.plan.steps import Params, Slot, Step


def _limits(dtype: np.dtype[np.generic]) -> tuple[str, str]:
    """C expressions of the least and the largest value of a type."""
    c = c_type(dtype)
    if dtype.kind == "f":
        return f"(-({c})__builtin_inf())", f"(({c})__builtin_inf())"
    if dtype.kind == "b":
        return "0", "1"
    if dtype.kind == "u":
        return "0", f"(({c})~({c})0)"
    most = f"(({c})((uint64_t)-1 >> {65 - 8 * dtype.itemsize}))"
    return f"(({c})(-{most} - 1))", most


def _rule(site: Site) -> dict[str, str]:
    """Macros of `reduce.h`."""
    dtype = site.out.dtype
    c, least_most = c_type(dtype), _limits(dtype)
    is_float = dtype.kind == "f"
    wide = c if is_float else "uint64_t"
    add = {"ACC": wide, "LANES": "4" if is_float else "1", "FIRST": "0"}
    add["STEP(acc, v)"] = f"(({wide})((acc) + ({wide})(v)))"
    same = {"ACC": c, "LANES": "1", "LAST(acc, n)": "(acc)"}
    match site.node.op:
        case "ReduceSum":
            return add | {"LAST(acc, n)": "(acc)"}
        case "ReduceMean":
            signed = "(acc)" if is_float or dtype.kind == "u" else "((int64_t)(acc))"
            return add | {"LAST(acc, n)": f"({signed} / ({c if is_float else 'int64_t'})(n))"}
        case "ReduceProd":
            step = {"STEP(acc, v)": f"(({wide})((acc) * ({wide})(v)))"}
            return same | {"ACC": wide, "FIRST": "1"} | step
        case "ReduceMax":
            return same | {"FIRST": least_most[0], "STEP(acc, v)": "((acc) < (v) ? (v) : (acc))"}
        case _:
            return same | {"FIRST": least_most[1], "STEP(acc, v)": "((v) < (acc) ? (v) : (acc))"}


def reduce(site: Site) -> Step:
    """ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceProd; axes are an attribute or a second input."""
    x, out = site.tensor(0), site.out
    runtime = len(site.node.inputs) > 1
    params: Params = {"results": out.size}
    arguments = [site.argument(0)]
    if runtime:
        keep = site.node.attrs["noop_with_empty_axes"]
        params |= {"rank": len(x.shape), "shape": list(x.shape) or [1]}
        params |= {"axes": site.tensor(1).size, "keep": keep}
        arguments.append(site.argument(1))
    else:
        shape, reduced = _merge(x.shape, site.node.attrs["axes"])
        params |= {"rank": len(shape), "shape": shape or [1], "reduced": reduced or [0]}
    call = instance(
        "reduce.h",
        f"fleet_{site.node.op.lower()}_{suffix(x.dtype)}{'_axes' if runtime else ''}",
        "fleet_reduce",
        params,
        (*arguments, Slot(out.name)),
        X=c_type(x.dtype),
        RUNTIME_AXES=str(int(runtime)),
        **_rule(site),
    )
    return site.step(call)


def _merge(shape: tuple[int, ...], axes: list[int]) -> tuple[list[int], list[int]]:
    """Neighbouring dimensions that are both kept, or both folded, as one."""
    sizes: list[int] = []
    flags: list[int] = []
    for axis, size in enumerate(shape):
        flag = int(axis in axes)
        if flags and flags[-1] == flag:
            sizes[-1] *= size
        else:
            sizes.append(size)
            flags.append(flag)
    return sizes, flags


def arg(site: Site) -> Step:
    """ArgMax and ArgMin: the first of equals, or the last."""
    x, axis = site.tensor(0), site.node.attrs["axis"]
    symbol = ">" if site.node.op == "ArgMax" else "<"
    last = site.node.attrs["select_last_index"]
    params = {
        "outer": math.prod(x.shape[:axis]),
        "length": x.shape[axis],
        "inner": math.prod(x.shape[axis + 1 :]),
    }
    call = instance(
        "arg.h",
        f"fleet_{site.node.op.lower()}_{suffix(x.dtype)}{'_last' if last else ''}",
        "fleet_arg",
        params,
        (site.argument(0), Slot(site.out.name)),
        X=c_type(x.dtype),
        **{"BETTER(v, best)": f"((v) {symbol}{'=' if last else ''} (best))"},
    )
    return site.step(call)


def cumulate(site: Site) -> Step:
    """CumSum and CumProd; the axis is an input."""
    x, axis, attrs = site.tensor(0), site.tensor(1), site.node.attrs
    is_sum = site.node.op == "CumSum"
    c = c_type(x.dtype)
    call = instance(
        "cumulate.h",
        f"fleet_{site.node.op.lower()}_{suffix(x.dtype)}_{suffix(axis.dtype)}",
        "fleet_cumulate",
        {
            "rank": len(x.shape),
            "shape": list(x.shape),
            "exclusive": attrs["exclusive"],
            "reverse": attrs["reverse"],
        },
        (site.argument(0), site.argument(1), Slot(site.out.name)),
        X=c,
        AXIS=c_type(axis.dtype),
        FIRST="0" if is_sum else "1",
        **{"STEP(a, v)": f"(({c})((a) {'+' if is_sum else '*'} (v)))"},
    )
    return site.step(call)


REDUCTIONS = ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum")

LOWERINGS: dict[str, Lowering] = {
    **dict.fromkeys(REDUCTIONS, reduce),
    "ArgMax": arg,
    "ArgMin": arg,
    "CumProd": cumulate,
    "CumSum": cumulate,
}

"""Operators that fold dimensions away, or run along one."""

import math

import numpy as np

from controller.compiler.plan.lower.common import Lowering, Site
from controller.compiler.plan.lower.general.common import c_type, instance, suffix
from controller.compiler.plan.steps import Params, Slot, Step


def limits(dtype: np.dtype[np.generic]) -> tuple[str, str]:
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
    dtype, op = site.out.dtype, site.node.op
    c, (least, most) = c_type(dtype), limits(dtype)
    is_float, name = dtype.kind == "f", suffix(dtype)
    wide = c if is_float else "uint64_t"
    signed = "(int64_t)" if dtype.kind == "i" else ""
    size = f"fleet_abs_{name}(v)" if is_float else "((v) < 0 ? 0u - (uint64_t)(v) : (uint64_t)(v))"
    square = f"({wide})(({wide})(v) * ({wide})(v))"
    root = "__builtin_sqrtf(acc)" if dtype == np.float32 else "__builtin_sqrt((double)(acc))"
    # What comes out as a float64.
    narrow = f"({c})" if is_float else f"fleet_{name}_from_f64"
    sums = {"ACC": wide, "LANES": "4" if is_float else "1", "FIRST": "0", "LAST(acc, n)": "(acc)"}
    folds = {"ACC": c, "LANES": "1", "LAST(acc, n)": "(acc)"}
    step, last = "STEP(acc, v)", "LAST(acc, n)"
    mean = (
        f"((acc) / ({c})(n))"
        if is_float
        else f"((n) == 0 ? 0 : {signed}(acc) / ({'u' if not signed else ''}int64_t)(n))"
    )
    adds = {step: f"(({wide})((acc) + ({wide})(v)))"}
    rules = {
        "ReduceL1": sums | {step: f"((acc) + {size})"},
        "ReduceL2": sums | {step: f"((acc) + {square})", last: root if is_float else f"{narrow}({root})"},
        "ReduceLogSum": sums | adds | {last: f"{narrow}(fleet_log_f64((double)({signed}(acc))))"},
        "ReduceLogSumExp": sums
        | {
            "ACC": "double",
            "LANES": "4",
            "CENTRED": "1",
            step: "((acc) + fleet_exp_f64((double)(v) - top))",
            last: f"{narrow}(fleet_log_f64(acc) + top)",
        },
        "ReduceMax": folds | {"FIRST": least, step: "((acc) < (v) ? (v) : (acc))"},
        "ReduceMean": sums | adds | {last: mean},
        "ReduceMin": folds | {"FIRST": most, step: "((v) < (acc) ? (v) : (acc))"},
        "ReduceProd": folds | {"ACC": wide, "FIRST": "1", step: f"(({wide})((acc) * ({wide})(v)))"},
        "ReduceSum": sums | adds,
        "ReduceSumSquare": sums | {step: f"((acc) + {square})"},
    }
    return rules[op]


def reduce(site: Site) -> Step:
    """The reductions; axes are an attribute or a second input."""
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
        **{"CENTRED": "0"} | _rule(site),
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
    wide = c if x.dtype.kind == "f" else "uint64_t"
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
        **{"STEP(a, v)": f"(({c})(({wide})(a) {'+' if is_sum else '*'} ({wide})(v)))"},
    )
    return site.step(call)


REDUCTIONS = (
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin"),
    *("ReduceProd", "ReduceSum", "ReduceSumSquare"),
)

LOWERINGS: dict[str, Lowering] = {
    **dict.fromkeys(REDUCTIONS, reduce),
    "ArgMax": arg,
    "ArgMin": arg,
    "CumProd": cumulate,
    "CumSum": cumulate,
}

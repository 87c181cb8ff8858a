"""Windows of any rank and type: convolutions with computed weights, transposed ones, pools."""

import math

import numpy as np

from controller.compiler.ir import Shape
from controller.compiler.plan.lower.common import Lowering, Site
from controller.compiler.plan.lower.general.common import c_type, instance, suffix
from controller.compiler.plan.lower.general.reduction import limits
from controller.compiler.plan.steps import Params, Slot, Step


def windows(site: Site, x: Shape, out: Shape, group: int = 1) -> Params:
    """`struct fleet_windows`."""
    attrs, rank = site.node.attrs, len(x) - 2
    pads = attrs["pads"]
    return {
        "rank": rank,
        "batch": x[0],
        "channels": x[1],
        "out_channels": out[1],
        "group": group,
        "in": list(x[2:]),
        "out": list(out[2:]),
        "kernel": list(attrs["kernel_shape"]),
        "stride": list(attrs["strides"]),
        "dilation": list(attrs["dilations"]),
        "begin": list(pads[:rank]),
        "end": list(pads[rank:]),
        "in_size": math.prod(x[2:]),
        "out_size": math.prod(out[2:]),
        "kernel_size": math.prod(attrs["kernel_shape"]),
    }


def conv(site: Site) -> Step:
    """A convolution whose weights may be computed."""
    x, out, group = site.tensor(0), site.out, site.node.attrs["group"]
    taps = math.prod(site.node.attrs["kernel_shape"])
    y = c_type(out.dtype)
    call = instance(
        "conv.h",
        f"fleet_conv_{suffix(x.dtype)}_{suffix(out.dtype)}",
        "fleet_windows",
        windows(site, x.shape, out.shape, group),
        (*(site.argument(index) for index in range(3)), Slot(out.name)),
        X=c_type(x.dtype),
        Y=y,
        **{"PRODUCT(x, w)": f"(({y})(x) * ({y})(w))"},
    )
    return site.step(call, macs=out.size * taps * x.shape[1] // group)


def conv_transpose(site: Site) -> Step:
    """ConvTranspose."""
    x, out, group = site.tensor(0), site.out, site.node.attrs["group"]
    call = instance(
        "conv_transpose.h",
        f"fleet_conv_transpose_{suffix(x.dtype)}",
        "fleet_windows",
        windows(site, x.shape, out.shape, group),
        (*(site.argument(index) for index in range(3)), Slot(out.name)),
        X=c_type(x.dtype),
    )
    macs = x.size * math.prod(site.node.attrs["kernel_shape"]) * out.shape[1] // group
    return site.step(call, macs=macs)


def max_pool(site: Site) -> Step:
    """MaxPool, with the places of the maxima where they are asked for."""
    x, out = site.tensor(0), site.out
    sizes = x.shape[2:]
    order = range(len(sizes)) if site.node.attrs["storage_order"] == 0 else reversed(range(len(sizes)))
    step, dense = [0] * len(sizes), 1
    for d in reversed(list(order)):
        step[d], dense = dense, dense * sizes[d]
    indices = len(site.node.outputs) > 1
    call = instance(
        "max_pool.h",
        f"fleet_general_max_pool_{suffix(x.dtype)}{'_indices' if indices else ''}",
        "fleet_max_pool",
        {"window": windows(site, x.shape, out.shape), "step": step},
        (site.argument(0), *(Slot(name) for name in site.node.outputs)),
        X=c_type(x.dtype),
        FIRST=limits(x.dtype)[0],
        INDICES=str(int(indices)),
    )
    return site.step(call)


def average_pool(site: Site) -> Step:
    """AveragePool of any rank."""
    x, out = site.tensor(0), site.out
    c, counts = c_type(x.dtype), int(site.node.attrs["count_include_pad"])
    call = instance(
        "pool.h",
        f"fleet_average_pool_{suffix(x.dtype)}_{counts}",
        "fleet_pool",
        {"window": windows(site, x.shape, out.shape), "order": 0},
        (site.argument(0), Slot(out.name)),
        X=c,
        ACC=c,
        FIRST="0",
        COUNTS=str(counts),
        **{"STEP(acc, v)": "((acc) + (v))", "LAST(acc, n)": f"((acc) / ({c})(n))"},
    )
    return site.step(call)


def lp_pool(site: Site) -> Step:
    """LpPool."""
    x, out = site.tensor(0), site.out
    size = f"fleet_abs_{suffix(x.dtype)}(v)"
    call = instance(
        "pool.h",
        f"fleet_lp_pool_{suffix(x.dtype)}",
        "fleet_pool",
        {"window": windows(site, x.shape, out.shape), "order": site.node.attrs["p"]},
        (site.argument(0), Slot(out.name)),
        X=c_type(x.dtype),
        ACC="double",
        FIRST="0",
        COUNTS="0",
        **{
            "STEP(acc, v)": f"((acc) + fleet_pow_f64((double){size}, (double)p->order))",
            "LAST(acc, n)": "((void)(n), fleet_pow_f64(acc, 1.0 / (double)p->order))",
        },
    )
    return site.step(call)


def lrn(site: Site) -> Step:
    """LRN."""
    x, attrs = site.tensor(0), site.node.attrs
    size = attrs["size"]
    call = instance(
        "lrn.h",
        f"fleet_lrn_{suffix(x.dtype)}",
        "fleet_lrn",
        {
            "batch": x.shape[0],
            "channels": x.shape[1],
            "inner": math.prod(x.shape[2:]),
            "before": (size - 1) // 2,
            "after": size - 1 - (size - 1) // 2,
            "scale": np.float32(np.float32(attrs["alpha"]) / np.float32(size)),
            "beta": np.float32(attrs["beta"]),
            "bias": np.float32(attrs["bias"]),
        },
        (site.argument(0), Slot(site.out.name)),
        X=c_type(x.dtype),
    )
    return site.step(call)


def max_unpool(site: Site) -> Step:
    """MaxUnpool."""
    x, out, pooled = site.tensor(0), site.out, site.node.attrs["pooled_shape"]
    call = instance(
        "max_unpool.h",
        f"fleet_max_unpool_{suffix(x.dtype)}",
        "fleet_max_unpool",
        {
            "rank": len(pooled),
            "pooled": list(pooled),
            "shape": list(out.shape),
            "count": x.size,
            "size": out.size,
            "places": math.prod(pooled),
        },
        (site.argument(0), site.argument(1), Slot(out.name)),
        X=c_type(x.dtype),
    )
    return site.step(call)


LOWERINGS: dict[str, Lowering] = {
    "ConvTranspose": conv_transpose,
    "GeneralAveragePool": average_pool,
    "GeneralConv": conv,
    "GeneralMaxPool": max_pool,
    "LRN": lrn,
    "LpPool": lp_pool,
    "MaxUnpool": max_unpool,
}

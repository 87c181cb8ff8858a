"""Operators on one tensor, and Softmax."""

import math

import numpy as np

from controller.compiler.plan.lower.common import Lowering, Site
from controller.compiler.plan.steps import Call, Slot, Step


def table(site: Site) -> Step:
    """256 entries; shown under the operator it stands for."""
    size = site.out.size
    params = {"rows": 1, "columns": size, "in_stride": size, "out_stride": size}
    entries = site.constant("table", site.data(1))
    call = Call(
        "fleet_table_s8", "fleet_table_s8_params", params, (site.argument(0), entries, Slot(site.out.name))
    )
    return site.step(call, op=site.node.attrs["function"], in_place=(site.node.inputs[0],))


def clip(site: Site) -> Step:
    """Relu and Clip of float32."""
    return _f32(site, "fleet_clip_f32", "fleet_clip_f32_params", **site.bounds_f32())


def hard_sigmoid(site: Site) -> Step:
    """HardSigmoid of float32."""
    attrs = site.node.attrs
    line = {"alpha": np.float32(attrs["alpha"]), "beta": np.float32(attrs["beta"])}
    return _f32(site, "fleet_hard_sigmoid_f32", "fleet_hard_sigmoid_f32_params", **line)


def hard_swish(site: Site) -> Step:
    """HardSwish of float32."""
    return _f32(site, "fleet_hard_swish_f32", "fleet_unary_f32_params")


def sigmoid(site: Site) -> Step:
    """Sigmoid of float32."""
    return _f32(site, "fleet_sigmoid_f32", "fleet_unary_f32_params")


def _f32(site: Site, kernel: str, struct: str, **params: object) -> Step:
    call = Call(kernel, struct, {"count": site.out.size, **params}, (site.argument(0), Slot(site.out.name)))
    return site.step(call, in_place=(site.node.inputs[0],))


def softmax(site: Site) -> Step:
    """Along one axis of [outer, length, inner], counted in memory order."""
    out, axis = site.out, site.node.attrs["axis"]
    place = out.memory.index(axis)
    params = {
        "outer": math.prod(out.shape[d] for d in out.memory[:place]),
        "length": out.shape[axis],
        "inner": math.prod(out.shape[d] for d in out.memory[place + 1 :]),
    }
    x, y, in_place = site.argument(0), Slot(out.name), (site.node.inputs[0],)
    if not site.is_int8:
        return site.step(
            Call("fleet_softmax_f32", "fleet_softmax_f32_params", params, (x, y)), in_place=in_place
        )
    quant = site.out_quant
    scale = {"out_zero_point": quant.zero_point, "inverse_scale": np.float32(np.float32(1) / quant.s)}
    entries = site.constant("table", site.data(1))
    call = Call("fleet_softmax_s8", "fleet_softmax_s8_params", params | scale, (x, entries, y))
    return site.step(call, in_place=in_place)


LOWERINGS: dict[str, Lowering] = {
    "Clip": clip,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": hard_swish,
    "Relu": clip,
    "Sigmoid": sigmoid,
    "Softmax": softmax,
    "Table": table,
}

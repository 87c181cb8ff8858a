"""Operators that move elements of any type: templates by the size of an element."""

import math

from controller.compiler.plan.lower.common import Lowering, Site
from controller.compiler.plan.lower.general.common import broadcast_walk, c_type, instance, raw_type, suffix
from controller.compiler.plan.steps import Slot, Step


def where(site: Site) -> Step:
    """Where."""
    out = site.out
    operands = [site.tensor(index) for index in range(3)]
    call = instance(
        "where.h",
        f"fleet_where_{8 * out.dtype.itemsize}",
        "fleet_walk",
        broadcast_walk(out, operands),
        (*(site.argument(index) for index in range(3)), Slot(out.name)),
        X=raw_type(out.dtype),
    )
    return site.step(call)


def gather(site: Site) -> Step:
    """Gather along one axis."""
    x, index, axis = site.tensor(0), site.tensor(1), site.node.attrs["axis"]
    call = instance(
        "gather.h",
        f"fleet_gather_{8 * x.dtype.itemsize}_{suffix(index.dtype)}",
        "fleet_gather_rows",
        {
            "outer": math.prod(x.shape[:axis]),
            "length": x.shape[axis],
            "inner": math.prod(x.shape[axis + 1 :]),
            "indices": index.size,
        },
        (site.argument(0), site.argument(1), Slot(site.out.name)),
        X=raw_type(x.dtype),
        INDEX=c_type(index.dtype),
    )
    return site.step(call)


LOWERINGS: dict[str, Lowering] = {"Gather": gather, "Where": where}

"""Operators that move elements of any type: templates by the size of an element."""

import math
from collections.abc import Sequence

from controller.compiler.ir import Shape, Tensor
from controller.compiler.plan.lower.common import Lowering, Site
from controller.compiler.plan.lower.general.common import (
    broadcast_walk,
    c_type,
    instance,
    raw_type,
    suffix,
    walk,
)
from controller.compiler.plan.memory import broadcast_strides, tensor_strides
from controller.compiler.plan.steps import Argument, Call, Slot, Step

_PAD_MODES = ("constant", "edge", "reflect", "wrap")


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


def move(
    source: Argument, target: Tensor, shape: Shape, strides: Sequence[Sequence[int]], start: tuple[int, int]
) -> Call:
    """A call of `move.h`: strides in source and target by dimension, and the first element in each."""
    params = {"walk": walk(shape, range(len(shape)), strides), "from": start[0], "to": start[1]}
    bits = 8 * target.dtype.itemsize
    arguments = (source, Slot(target.name))
    return instance("move.h", f"fleet_move_{bits}", "fleet_move", params, arguments, X=raw_type(target.dtype))


def expand(site: Site) -> Step:
    """Expand: a broadcast."""
    x, out = site.tensor(0), site.out
    strides = [broadcast_strides(x, out.shape), tensor_strides(out)]
    return site.step(move(site.argument(0), out, out.shape, strides, (0, 0)))


def tile(site: Site) -> Step:
    """Tile: each dimension is walked as often as it is repeated."""
    x, out = site.tensor(0), site.out
    shape: list[int] = []
    read: list[int] = []
    written: list[int] = []
    for size, total, step, out_step in zip(
        x.shape, out.shape, tensor_strides(x), tensor_strides(out), strict=True
    ):
        repeats = total // size if size else 0
        shape += [repeats, size]
        read += [0, step]
        written += [out_step * size, out_step]
    return site.step(move(site.argument(0), out, tuple(shape), [read, written], (0, 0)))


def slice_(site: Site) -> Step:
    """Slice: with bounds that are known a walk, else the kernel reads them."""
    x, out, attrs = site.tensor(0), site.out, site.node.attrs
    if "starts" in attrs:
        steps = tensor_strides(x)
        first = sum(start * step for start, step in zip(attrs["starts"], steps, strict=True))
        read = [by * step for by, step in zip(attrs["steps"], steps, strict=True)]
        return site.step(
            move(site.argument(0), out, out.shape, [read, list(tensor_strides(out))], (first, 0))
        )
    index = site.tensor(1)
    params = {
        "rank": len(x.shape),
        "in_shape": list(x.shape),
        "out_shape": list(out.shape),
        "count": index.size,
    }
    call = instance(
        "slice.h",
        f"fleet_slice_{8 * x.dtype.itemsize}_{suffix(index.dtype)}",
        "fleet_slice",
        params,
        (*(site.argument(number) for number in range(5)), Slot(out.name)),
        X=raw_type(x.dtype),
        INDEX=c_type(index.dtype),
    )
    return site.step(call)


def split(site: Site) -> Step:
    """Split: a walk for each output."""
    x, axis = site.tensor(0), site.node.attrs["axis"]
    steps = tensor_strides(x)
    calls, start = [], 0
    for out in site.outs:
        strides = [list(steps), list(tensor_strides(out))]
        calls.append(move(site.argument(0), out, out.shape, strides, (start * steps[axis], 0)))
        start += out.shape[axis]
    return site.step(*calls, detail=f"Split into {len(calls)}")


def pad(site: Site) -> Step:
    """Pad whose amounts are computed, or in another mode than constant."""
    x, out = site.tensor(0), site.out
    axes = site.tensor(3)
    mode = _PAD_MODES.index(site.node.attrs["mode"])
    params = {
        "rank": len(x.shape),
        "in_shape": list(x.shape),
        "out_shape": list(out.shape),
        "count": axes.size,
    }
    call = instance(
        "pad.h",
        f"fleet_pad_{_PAD_MODES[mode]}_{8 * x.dtype.itemsize}_{suffix(axes.dtype)}",
        "fleet_pad",
        params,
        (*(site.argument(index) for index in range(4)), Slot(out.name)),
        X=raw_type(x.dtype),
        MODE=str(mode),
        INDEX=c_type(axes.dtype),
    )
    return site.step(call)


def range_(site: Site) -> Step:
    """Range of start and step."""
    out = site.out
    call = instance(
        "range.h",
        f"fleet_range_{suffix(out.dtype)}",
        "fleet_range",
        {"count": out.size},
        (site.argument(0), site.argument(1), Slot(out.name)),
        X=c_type(out.dtype),
    )
    return site.step(call)


def trilu(site: Site) -> Step:
    """Trilu."""
    x = site.tensor(0)
    params = {
        "matrices": math.prod(x.shape[:-2]),
        "rows": x.shape[-2],
        "columns": x.shape[-1],
        "upper": site.node.attrs["upper"],
    }
    call = instance(
        "trilu.h",
        f"fleet_trilu_{8 * x.dtype.itemsize}",
        "fleet_trilu",
        params,
        (site.argument(0), site.argument(1), Slot(site.out.name)),
        X=raw_type(x.dtype),
    )
    return site.step(call)


def reverse_sequence(site: Site) -> Step:
    """ReverseSequence."""
    x, attrs = site.tensor(0), site.node.attrs
    steps = tensor_strides(x)
    params = {
        "batch": x.shape[attrs["batch_axis"]],
        "time": x.shape[attrs["time_axis"]],
        "inner": math.prod(x.shape[2:]),
        "batch_stride": steps[attrs["batch_axis"]],
        "time_stride": steps[attrs["time_axis"]],
    }
    call = instance(
        "reverse_sequence.h",
        f"fleet_reverse_sequence_{8 * x.dtype.itemsize}",
        "fleet_reverse_sequence",
        params,
        (site.argument(0), site.argument(1), Slot(site.out.name)),
        X=raw_type(x.dtype),
    )
    return site.step(call)


def bit_cast(site: Site) -> Step:
    """BitCast between types of one size: the bytes as they are."""
    out = site.out
    call = Call("fleet_copy", "fleet_copy_params", {"bytes": out.nbytes}, (site.argument(0), Slot(out.name)))
    return site.step(call)


LOWERINGS: dict[str, Lowering] = {
    "BitCast": bit_cast,
    "Expand": expand,
    "Pad": pad,
    "Range": range_,
    "ReverseSequence": reverse_sequence,
    "Slice": slice_,
    "Split": split,
    "Tile": tile,
    "Trilu": trilu,
    "Where": where,
}

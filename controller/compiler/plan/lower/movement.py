"""Operators that move bytes. Most of them never get here: the planner lets both names share the memory."""

from controller.compiler.ir.operators import VIEWS
from controller.compiler.plan.lower.common import Lowering, Site
from controller.compiler.plan.memory import loops, strided_copy_params, tensor_strides
from controller.compiler.plan.steps import Call, Slot, Step


def move(site: Site) -> Step:
    """A copy; from one memory order to another where the orders differ."""
    x, out = site.tensor(0), site.out
    same_shape = x.shape == out.shape
    sizes, (read, written) = loops(
        out.shape, out.memory, [tensor_strides(x) if same_shape else tensor_strides(out), tensor_strides(out)]
    )
    if read == written:
        params = {"bytes": out.nbytes}
        call = Call("fleet_copy", "fleet_copy_params", params, (site.argument(0), Slot(out.name)))
        return site.step(call)
    params = strided_copy_params(out.dtype.itemsize, sizes, read, written)
    call = Call("fleet_strided_copy", "fleet_strided_copy_params", params, (site.argument(0), Slot(out.name)))
    orders = "".join("NCHW"[d] for d in out.memory) if len(out.memory) == 4 else str(list(out.memory))
    return site.step(call, op="Transpose", detail=f"Transpose to {orders}")


def transpose(site: Site) -> Step:
    """A Transpose whose two ends must not share memory: its memory is the same, so it is a copy."""
    params = {"bytes": site.out.nbytes}
    arguments = (site.argument(0), Slot(site.out.name))
    return site.step(Call("fleet_copy", "fleet_copy_params", params, arguments))


def concat(site: Site) -> Step:
    """One strided copy for each input."""
    out, axis = site.out, site.node.attrs["axis"]
    out_strides, start, calls = tensor_strides(out), 0, []
    for index in range(len(site.node.inputs)):
        x = site.tensor(index)
        if not x.size:
            continue
        sizes, (read, written) = loops(x.shape, out.memory, [tensor_strides(x), out_strides])
        offset = start * out_strides[axis] * out.dtype.itemsize
        params = strided_copy_params(out.dtype.itemsize, sizes, read, written)
        arguments = (site.argument(index), Slot(out.name, offset))
        calls.append(Call("fleet_strided_copy", "fleet_strided_copy_params", params, arguments))
        start += x.shape[axis]
    return site.step(*calls, detail=f"Concat {len(site.node.inputs)} inputs")


LOWERINGS: dict[str, Lowering] = {**dict.fromkeys(VIEWS, move), "Concat": concat, "Transpose": transpose}

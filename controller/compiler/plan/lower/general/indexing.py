"""Operators that read or write where indices say, and those whose output is as large as data say."""

import math

from controller.compiler.plan.lower.common import Lowering, Site
from controller.compiler.plan.lower.general.common import c_type, instance, raw_type, suffix, walk
from controller.compiler.plan.memory import tensor_strides
from controller.compiler.plan.steps import Slot, Step

_MERGES = {
    "none": "(v)",
    "add": "(({c})((a) + (v)))",
    "mul": "(({c})((a) * (v)))",
    "max": "((a) < (v) ? (v) : (a))",
    "min": "((v) < (a) ? (v) : (a))",
}


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


def gather_elements(site: Site) -> Step:
    """GatherElements."""
    x, index, axis = site.tensor(0), site.tensor(1), site.node.attrs["axis"]
    steps = list(tensor_strides(x))
    length, step = x.shape[axis], steps[axis]
    steps[axis] = 0
    params = {
        "walk": walk(index.shape, range(len(index.shape)), [steps, list(tensor_strides(index))]),
        "length": length,
        "step": step,
    }
    call = instance(
        "gather_elements.h",
        f"fleet_gather_elements_{8 * x.dtype.itemsize}_{suffix(index.dtype)}",
        "fleet_gather_elements",
        params,
        (site.argument(0), site.argument(1), Slot(site.out.name)),
        X=raw_type(x.dtype),
        INDEX=c_type(index.dtype),
    )
    return site.step(call)


def _merge(site: Site) -> tuple[str, str]:
    """Name and C expression of what an update does."""
    name = site.node.attrs["reduction"]
    return name, _MERGES[name].format(c=c_type(site.out.dtype))


def scatter_elements(site: Site) -> Step:
    """ScatterElements."""
    x, index, axis = site.tensor(0), site.tensor(1), site.node.attrs["axis"]
    steps = list(tensor_strides(x))
    length, step = x.shape[axis], steps[axis]
    steps[axis] = 0
    name, merge = _merge(site)
    params = {
        "walk": walk(index.shape, range(len(index.shape)), [steps, list(tensor_strides(index))]),
        "length": length,
        "step": step,
        "count": x.size,
    }
    call = instance(
        "scatter_elements.h",
        f"fleet_scatter_elements_{name}_{suffix(x.dtype)}_{suffix(index.dtype)}",
        "fleet_scatter_elements",
        params,
        (*(site.argument(number) for number in range(3)), Slot(site.out.name)),
        X=c_type(x.dtype),
        INDEX=c_type(index.dtype),
        **{"MERGE(a, v)": merge},
    )
    return site.step(call)


def _nd(site: Site, batch_dims: int) -> dict[str, object]:
    """`struct fleet_nd`."""
    x, index = site.tensor(0), site.tensor(1)
    depth = index.shape[-1]
    return {
        "batches": math.prod(x.shape[:batch_dims]),
        "tuples": math.prod(index.shape[batch_dims:-1]),
        "depth": depth,
        "slice": math.prod(x.shape[batch_dims + depth :]),
        "size": list(x.shape[batch_dims : batch_dims + depth]) or [1],
        "count": x.size,
    }


def gather_nd(site: Site) -> Step:
    """GatherND."""
    x = site.tensor(0)
    call = instance(
        "gather_nd.h",
        f"fleet_gather_nd_{8 * x.dtype.itemsize}",
        "fleet_nd",
        _nd(site, site.node.attrs["batch_dims"]),
        (site.argument(0), site.argument(1), Slot(site.out.name)),
        X=raw_type(x.dtype),
    )
    return site.step(call)


def scatter_nd(site: Site) -> Step:
    """ScatterND."""
    x = site.tensor(0)
    name, merge = _merge(site)
    call = instance(
        "scatter_nd.h",
        f"fleet_scatter_nd_{name}_{suffix(x.dtype)}",
        "fleet_nd",
        _nd(site, 0),
        (*(site.argument(number) for number in range(3)), Slot(site.out.name)),
        X=c_type(x.dtype),
        **{"MERGE(a, v)": merge},
    )
    return site.step(call)


def one_hot(site: Site) -> Step:
    """OneHot of indices and [off, on]."""
    index, values, axis = site.tensor(0), site.tensor(1), site.node.attrs["axis"]
    params = {
        "outer": math.prod(index.shape[:axis]),
        "depth": site.out.shape[axis],
        "inner": math.prod(index.shape[axis:]),
    }
    call = instance(
        "one_hot.h",
        f"fleet_one_hot_{8 * values.dtype.itemsize}_{suffix(index.dtype)}",
        "fleet_one_hot",
        params,
        (site.argument(0), site.argument(1), Slot(site.out.name)),
        X=raw_type(values.dtype),
        INDEX=c_type(index.dtype),
        **{"HOT(i)": "fleet_s64_from_f64((double)(i))" if index.dtype.kind == "f" else "((int64_t)(i))"},
    )
    return site.step(call)


def compress(site: Site) -> Step:
    """Compress along an axis, or of all elements."""
    x, axis, out = site.tensor(0), site.node.attrs["axis"], site.out
    flat = axis is None
    params = {
        "outer": 1 if flat else math.prod(x.shape[:axis]),
        "length": x.size if flat else x.shape[axis],
        "inner": 1 if flat else math.prod(x.shape[axis + 1 :]),
        "conditions": site.tensor(1).size,
        "rank": len(out.shape),
        "axis": 0 if flat else axis,
        "shape": list(out.shape),
    }
    call = instance(
        "compress.h",
        f"fleet_compress_{8 * x.dtype.itemsize}",
        "fleet_compress",
        params,
        (site.argument(0), site.argument(1), *(Slot(name) for name in site.node.outputs)),
        X=raw_type(x.dtype),
    )
    return site.step(call)


def non_zero(site: Site) -> Step:
    """NonZero."""
    x = site.tensor(0)
    call = instance(
        "non_zero.h",
        f"fleet_non_zero_{suffix(x.dtype)}",
        "fleet_non_zero",
        {"rank": site.out.shape[0], "count": x.size, "shape": list(x.shape) or [1]},
        (site.argument(0), *(Slot(name) for name in site.node.outputs)),
        X=c_type(x.dtype),
    )
    return site.step(call)


def top_k(site: Site) -> Step:
    """TopK; sorted whether asked for or not."""
    x, axis, largest = site.tensor(0), site.node.attrs["axis"], site.node.attrs["largest"]
    params = {
        "outer": math.prod(x.shape[:axis]),
        "length": x.shape[axis],
        "inner": math.prod(x.shape[axis + 1 :]),
        "k": site.out.shape[axis],
    }
    call = instance(
        "top_k.h",
        f"fleet_top_k_{'largest' if largest else 'smallest'}_{suffix(x.dtype)}",
        "fleet_top_k",
        params,
        (site.argument(0), *(Slot(name) for name in site.node.outputs)),
        X=c_type(x.dtype),
        **{"BEFORE(a, b)": f"((a) {'>' if largest else '<'} (b))"},
    )
    return site.step(call)


def unique(site: Site) -> Step:
    """Unique elements, or slices along an axis."""
    x, axis, out = site.tensor(0), site.node.attrs["axis"], site.out
    flat, by_value = axis is None, site.node.attrs["sorted"]
    name = f"fleet_unique_{'sorted_' if by_value else ''}{suffix(x.dtype)}"
    params = {
        "outer": 1 if flat else math.prod(x.shape[:axis]),
        "length": x.size if flat else x.shape[axis],
        "inner": 1 if flat else math.prod(x.shape[axis + 1 :]),
        "rank": len(out.shape),
        "axis": 0 if flat else axis,
        "shape": list(out.shape),
    }
    call = instance(
        "unique.h",
        name,
        "fleet_unique",
        params,
        (site.argument(0), *(Slot(output) for output in site.node.outputs)),
        X=c_type(x.dtype),
        ORDER=f"{name}_order",
        SORTED=str(int(by_value)),
        **{"NAN(v)": "((v) != (v))" if x.dtype.kind == "f" else "0"},
    )
    return site.step(call)


LOWERINGS: dict[str, Lowering] = {
    "Compress": compress,
    "Gather": gather,
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "NonZero": non_zero,
    "OneHot": one_hot,
    "ScatterElements": scatter_elements,
    "ScatterND": scatter_nd,
    "TopK": top_k,
    "Unique": unique,
}

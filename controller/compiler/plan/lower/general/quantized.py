"""Quantization whose scales are operands, and integer products."""

import math

import numpy as np

from controller.compiler.ir import Shape
from controller.compiler.plan.lower.common import Lowering, Site
from controller.compiler.plan.lower.general.common import c_type, instance, suffix, walk
from controller.compiler.plan.memory import strides
from controller.compiler.plan.steps import Argument, Params, Slot, Step


def _walk(site: Site) -> Params:
    """Over x, scales, zero points and y. One scale, one for each index of the axis, or one for a block."""
    x, scale, axis, block = site.tensor(0).shape, site.tensor(1).shape, *_grain(site)
    shape, steps = list(x), [0] * len(x)
    if block:
        shape[axis : axis + 1] = [x[axis] // block, block]
        own = strides(scale, range(len(scale)))
        steps = [*own[: axis + 1], 0, *own[axis + 1 :]]
    elif math.prod(scale) > 1:
        steps[axis] = 1
    dense = strides(tuple(shape), range(len(shape)))
    return walk(tuple(shape), range(len(shape)), [dense, steps, steps, dense])


def _grain(site: Site) -> tuple[int, int]:
    return site.node.attrs["axis"], site.node.attrs["block"]


def quantize_by(site: Site) -> Step:
    """QuantizeBy."""
    x, zero, out = site.tensor(0), site.tensor(2), site.out
    limits = np.iinfo(out.dtype)
    call = instance(
        "quantize_by.h",
        f"fleet_quantize_by_{suffix(x.dtype)}_{suffix(out.dtype)}",
        "fleet_walk",
        _walk(site),
        (*(site.argument(index) for index in range(3)), Slot(out.name)),
        X=c_type(x.dtype),
        ZP=c_type(zero.dtype),
        Y=c_type(out.dtype),
        LOW=f"{limits.min}.0f",
        HIGH=f"{limits.max}.0f",
    )
    return site.step(call)


def dequantize_by(site: Site) -> Step:
    """DequantizeBy."""
    x, zero = site.tensor(0), site.tensor(2)
    call = instance(
        "dequantize_by.h",
        f"fleet_dequantize_by_{suffix(x.dtype)}",
        "fleet_walk",
        _walk(site),
        (*(site.argument(index) for index in range(3)), Slot(site.out.name)),
        X=c_type(x.dtype),
        ZP=c_type(zero.dtype),
    )
    return site.step(call)


def matmul_integer(site: Site) -> Step:
    """MatMulInteger."""
    x, w, x_zero, w_zero = (site.tensor(index).shape for index in range(4))
    out = site.out
    batch = math.prod(out.shape[:-2])
    rows, depth, columns = x[-2], x[-1], w[-1]
    params = {
        "batch": batch,
        "rows": rows,
        "depth": depth,
        "columns": columns,
        "x_batch": _step(x, rows * depth),
        "w_batch": _step(w, depth * columns),
        "x_zero_batch": rows if math.prod(x_zero) > rows else 0,
        "w_zero_batch": columns if math.prod(w_zero) > columns else 0,
        "x_zero_row": int(math.prod(x_zero) > 1),
        "w_zero_column": int(math.prod(w_zero) > 1),
    }
    call = instance(
        "matmul_integer.h",
        f"fleet_matmul_integer_{suffix(site.tensor(0).dtype)}_{suffix(site.tensor(1).dtype)}",
        "fleet_matmul_integer",
        params,
        (site.argument(0), _weights(site), site.argument(2), site.argument(3), Slot(out.name)),
        X=c_type(site.tensor(0).dtype),
        W=c_type(site.tensor(1).dtype),
    )
    return site.step(call, macs=batch * rows * depth * columns)


def matmul_nbits(site: Site) -> Step:
    """MatMulNBits."""
    x, scale, zero, attrs = site.tensor(0), site.tensor(2), site.tensor(3), site.node.attrs
    columns, blocks = scale.shape
    depth = x.shape[-1]
    params = {
        "rows": x.size // depth,
        "depth": depth,
        "columns": columns,
        "block": attrs["block"],
        "blocks": blocks,
        "zero_step": int(zero.size > 1),
        "bias_step": int(site.tensor(4).size > 1),
    }
    call = instance(
        "matmul_nbits.h",
        f"fleet_matmul_{attrs['bits']}bits_{suffix(zero.dtype)}",
        "fleet_matmul_nbits",
        params,
        (
            site.argument(0),
            _weights(site),
            *(site.argument(index) for index in (2, 3, 4)),
            Slot(site.out.name),
        ),
        BITS=str(attrs["bits"]),
        ZP=c_type(zero.dtype),
    )
    return site.step(call, macs=site.out.size * depth)


def _weights(site: Site) -> Argument:
    """The second operand, which is mostly constant."""
    data = site.tensor(1).data
    return site.argument(1) if data is None else site.constant("weight", data, is_weight=True)


def _step(shape: Shape, matrix: int) -> int:
    """From one matrix of a batch to the next."""
    return matrix if math.prod(shape[:-2]) > 1 else 0


LOWERINGS: dict[str, Lowering] = {
    "DequantizeBy": dequantize_by,
    "MatMulInteger": matmul_integer,
    "MatMulNBits": matmul_nbits,
    "QuantizeBy": quantize_by,
}

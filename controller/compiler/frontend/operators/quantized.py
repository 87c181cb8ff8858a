"""Quantization as ONNX files have it: scales and zero points are inputs of the operators."""

import math
from typing import Any

import numpy as np

from controller.compiler.frontend.context import Context, Importer
from controller.compiler.frontend.operators.window import resolve_windows
from controller.compiler.ir import Shape

_INT32 = np.dtype(np.int32)
_NARROW = {"int4": np.int8, "uint4": np.uint8, "int2": np.int8, "uint2": np.uint8}
"""How constants of types that C has not are stored."""


def _constant_as_bytes(ctx: Context, index: int) -> str:
    """An input; a constant of int4 as int8."""
    tensor = ctx.tensor(index)
    if tensor.dtype.name not in _NARROW:
        return tensor.name
    data = ctx.constant(index, f"its {tensor.dtype} input")
    return ctx.add_constant(f"input{index}", data.astype(_NARROW[tensor.dtype.name]))


def _grain(ctx: Context, x: Shape) -> dict[str, Any]:
    """Attributes axis and block; 0 where there is one scale for each index of the axis, or only one."""
    scale = ctx.tensor(1).shape
    if math.prod(scale) == 1:
        return {"axis": 0, "block": 0}
    axis = ctx.axis(int(ctx.attrs.get("axis", 1)), len(x))
    block = int(ctx.attrs.get("block_size", 0))
    if not block:
        return {"axis": axis, "block": 0}
    if x[axis] % block or scale != (*x[:axis], x[axis] // block, *x[axis + 1 :]):
        ctx.refuse(f"blocks of {block} do not divide {list(x)}", "pad that dimension")
    return {"axis": axis, "block": block}


def _zero_point(ctx: Context, dtype: np.dtype[np.generic]) -> str:
    if ctx.has(2):
        return _constant_as_bytes(ctx, 2)
    return ctx.add_constant("zero_point", np.zeros(ctx.tensor(1).shape, dtype))


def quantize_linear(ctx: Context) -> None:
    """QuantizeLinear."""
    if ctx.out_dtype.name not in ("int8", "uint8", "int16", "uint16"):
        ctx.refuse(f"quantizing to {ctx.out_dtype} has no kernel", "quantize to int8, uint8, int16 or uint16")
    inputs = [ctx.tensor(0).name, ctx.tensor(1).name, _zero_point(ctx, ctx.out_dtype)]
    ctx.emit("QuantizeBy", inputs, **_grain(ctx, ctx.tensor(0).shape))


def dequantize_linear(ctx: Context) -> None:
    """DequantizeLinear."""
    x = ctx.tensor(0)
    if x.dtype.kind == "f":
        ctx.refuse(f"dequantizing {x.dtype} has no kernel", "quantize to integers")
    inputs = [_constant_as_bytes(ctx, 0), ctx.tensor(1).name, _zero_point(ctx, _INT32)]
    ctx.emit("DequantizeBy", inputs, **_grain(ctx, x.shape))


def _zero_point_of(ctx: Context, operand: int, index: int) -> str:
    if ctx.has(index):
        return ctx.tensor(index).name
    return ctx.add_constant(f"zero_point{operand}", np.zeros((), ctx.tensor(operand).dtype))


def matmul_integer(ctx: Context) -> None:
    """MatMulInteger."""
    a, b = ctx.tensor(0), ctx.tensor(1)
    batches = {math.prod(t.shape[:-2]) for t in (a, b)}
    if min(len(a.shape), len(b.shape)) < 2 or not batches <= {1, math.prod(ctx.out_shape[:-2])}:
        ctx.refuse("its operands are vectors or broadcast along different dimensions", "Expand one of them")
    zeros = [_zero_point_of(ctx, operand, operand + 2) for operand in (0, 1)]
    ctx.emit("MatMulInteger", [a.name, b.name, *zeros])


def conv_integer(ctx: Context) -> None:
    """ConvInteger: both operands less their zero points, then a Conv of int32."""
    w = ctx.tensor(1)
    geometry = resolve_windows(ctx, list(w.shape[2:])) | {"group": int(ctx.attrs.get("group", 1))}
    operands = [_shifted(ctx, operand) for operand in (0, 1)]
    bias = ctx.add_constant("bias", np.zeros(w.shape[0], np.int32))
    ctx.emit("GeneralConv", [*operands, bias], **geometry)


def _shifted(ctx: Context, operand: int) -> str:
    tensor, name = ctx.tensor(operand), f"operand{operand}"
    wide = ctx.emit("Cast", [tensor.name], name, tensor.shape, f"{name}/Cast", _INT32)
    if not ctx.has(operand + 2):
        return wide
    zero = ctx.tensor(operand + 2)
    shape = (-1, *(1,) * (len(tensor.shape) - 1)) if zero.size > 1 else ()
    z = ctx.emit("Cast", [zero.name], f"{name}/zero", zero.shape, f"{name}/CastZero", _INT32)
    if zero.size > 1:
        shape = (zero.size, *shape[1:])
        z = ctx.emit("Reshape", [z], f"{name}/zeros", shape, f"{name}/Reshape", _INT32)
    return ctx.emit("Sub", [wide, z], f"{name}/shifted", tensor.shape, f"{name}/Sub", _INT32)


IMPORTERS: dict[str, Importer] = {
    "ConvInteger": conv_integer,
    "DequantizeLinear": dequantize_linear,
    "MatMulInteger": matmul_integer,
    "QuantizeLinear": quantize_linear,
}

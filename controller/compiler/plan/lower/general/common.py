"""What the lowerings of general operators share: C types, and walks over several operands."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import DTypeLike

from controller.compiler.ir import Shape, Tensor
from controller.compiler.plan.memory import broadcast_strides, loops
from controller.compiler.plan.steps import Argument, Call, Params, Scratch, Template

MAX_RANK = 8
MAX_OPERANDS = 4

_C_TYPES = {
    "bool": "uint8_t",
    "float16": "fleet_half",
    "float32": "float",
    "float64": "double",
    **{f"{sign}int{bits}": f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
_SUFFIXES = {"bool": "b8", "float16": "f16", "float32": "f32", "float64": "f64"}


def c_type(dtype: DTypeLike) -> str:
    """The C type of an element; a bool is a byte, 0 or 1."""
    return _C_TYPES[np.dtype(dtype).name]


def raw_type(dtype: DTypeLike) -> str:
    """The C type of an element that is only moved."""
    return f"uint{8 * np.dtype(dtype).itemsize}_t"


def suffix(dtype: DTypeLike) -> str:
    """How names of kernels end: `f32`, `s64`, `u8`, `b8`."""
    name = np.dtype(dtype).name
    return _SUFFIXES.get(name) or name.replace("uint", "u").replace("int", "s")


def instance(
    file: str, kernel: str, struct: str, params: Params, arguments: Sequence[Argument], **defines: str
) -> Call:
    """A call of a kernel made from a template.

    Args:
        file: Below `modules/kernels/general`.
        kernel: Name of the function, with the suffixes of its types: one name, one set of `defines`.
        struct: Of the parameters.
        params: Its members.
        arguments: Pointers that the kernel takes.
        **defines: Macros of the template; their C names begin with `FLEET_`.
    """
    macros = tuple((f"FLEET_{name}", value) for name, value in defines.items())
    return Call(kernel, struct, params, tuple(arguments), template=Template(file, macros))


def with_scratch(call: Call, nbytes: int) -> Call:
    """The call of a kernel whose last argument is memory that it needs while it runs."""
    return replace(call, scratch=Scratch(nbytes, str(nbytes)))


def walk(shape: Shape, order: Sequence[int], strides: Sequence[Sequence[int]]) -> Params:
    """`struct fleet_walk` over `shape`; strides by operand and dimension."""
    sizes, steps = loops(shape, order, strides)
    if len(sizes) > MAX_RANK or len(steps) > MAX_OPERANDS:
        raise ValueError(f"{len(sizes)} loops over {len(steps)} operands")
    return {"rank": len(sizes), "shape": sizes, "stride": steps}


def broadcast_walk(out: Tensor, operands: Sequence[Tensor]) -> Params:
    """`struct fleet_walk` over an output, operands first, the output last."""
    strides = [broadcast_strides(tensor, out.shape) for tensor in (*operands, out)]
    return walk(out.shape, out.memory, strides)

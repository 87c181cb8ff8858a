"""Inputs of the graph: their types, and their shapes once `--shape` has closed what was open."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from controller.compiler.errors import BrokenModelError, DynamicShapeError
from controller.compiler.frontend.reader import Source
from controller.compiler.ir import Shape
from protocol.module import DTYPE_BYTES

MAX_INPUT_BYTES = 1 << 30
_TYPES = frozenset(onnx.helper.get_all_tensor_dtypes()) - {onnx.TensorProto.STRING}


def graph_inputs(source: Source) -> list[onnx.ValueInfoProto]:
    """What a caller gives; before IR version 4 initializers were listed among the inputs too."""
    initializers = {tensor.name for tensor in source.model.graph.initializer}
    return [value for value in source.model.graph.input if value.name not in initializers]


def input_types(
    source: Source, shapes: Mapping[str, Sequence[int]]
) -> dict[str, tuple[np.dtype[np.generic], Shape]]:
    """Type and static shape of each input.

    Args:
        source: The model.
        shapes: Shapes given by the user, for some inputs or none.

    Raises:
        DynamicShapeError: A dimension is open, or a shape contradicts the model.
        BrokenModelError: An input is not a tensor.
    """
    inputs = graph_inputs(source)
    unknown = sorted(shapes.keys() - {value.name for value in inputs})
    if unknown:
        names = ", ".join(value.name for value in inputs)
        raise DynamicShapeError(
            f"--shape names {unknown[0]}, which is not an input",
            where=source.where,
            remedy=f"inputs: {names}",
        )
    symbols: dict[str, int] = {}
    types = {}
    for value in inputs:
        tensor = value.type.tensor_type
        if value.type.WhichOneof("value") != "tensor_type" or tensor.elem_type not in _TYPES:
            raise BrokenModelError(
                f"input {value.name} is not a tensor of numbers", where=source.where, remedy="export it again"
            )
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        if dtype.name not in DTYPE_BYTES:
            raise BrokenModelError(
                f"input {value.name} is {dtype.name}, which no module can take",
                where=source.where,
                remedy=f"cast it in the model; inputs can be {', '.join(DTYPE_BYTES)}",
            )
        shape = _shape(source, value, shapes.get(value.name), symbols)
        if math.prod(shape) * dtype.itemsize > MAX_INPUT_BYTES:
            raise BrokenModelError(
                f"input {value.name} has shape {list(shape)}, more than {MAX_INPUT_BYTES >> 20:,} MiB",
                where=source.where,
                remedy="check --shape: a module has less memory",
            )
        types[value.name] = (dtype, shape)
    return types


def _shape(
    source: Source, value: onnx.ValueInfoProto, given: Sequence[int] | None, symbols: dict[str, int]
) -> Shape:
    known = value.type.tensor_type.HasField("shape")
    dims = list(value.type.tensor_type.shape.dim)
    declared = [
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else dim.dim_param or "?"
        for dim in dims
    ]
    text = " x ".join(str(size) for size in declared) if known else "unknown"
    if given is None:
        sizes = [symbols.get(size) if isinstance(size, str) else size for size in declared]
        closed = [size for size in sizes if size is not None]
        if not known or len(closed) < len(sizes):
            example = ",".join(
                str(size) if isinstance(size, int) else str(symbols.get(size, 1)) for size in declared
            )
            raise DynamicShapeError(
                f'input "{value.name}" has a dynamic size: {text}',
                where=source.where,
                remedy=f"--shape {value.name}={example or '1,3,224,224'}",
            )
        return tuple(closed)
    fits = not known or (
        len(given) == len(declared)
        and all(isinstance(want, str) or want == got for want, got in zip(declared, given, strict=True))
    )
    if not fits or any(size < 1 for size in given):
        raise DynamicShapeError(
            f'shape {",".join(map(str, given))} does not fit input "{value.name}": {text}',
            where=source.where,
            remedy=f"give {len(declared)} sizes, keeping the numbers that the model states",
        )
    symbols.update(
        (want, got)
        for want, got in zip(declared, given, strict=False)
        if isinstance(want, str) and want != "?"
    )
    return tuple(given)


def declared_shapes(graph: onnx.GraphProto) -> dict[str, Shape]:
    """Static shapes that the file states for values, where inference cannot know them."""
    shapes: dict[str, Shape] = {}
    for value in (*graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        dims = tensor.shape.dim
        if tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in dims):
            shapes[value.name] = tuple(dim.dim_value for dim in dims)
    return shapes

"""Tensors of the Open Inference Protocol v2: their names of types, and JSON or raw bytes."""

import struct
from typing import Any

from device_agent.serving import InferenceError
from protocol.module import DTYPE_BYTES, TensorMeta

DATATYPES = {
    "bool": "BOOL", "int8": "INT8", "uint8": "UINT8", "int16": "INT16", "uint16": "UINT16", "int32": "INT32",
    "uint32": "UINT32", "int64": "INT64", "uint64": "UINT64", "float16": "FP16", "float32": "FP32",
    "float64": "FP64",
}  # fmt: skip
_CODES = {
    "bool": "B", "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I",
    "int64": "q", "uint64": "Q", "float16": "e", "float32": "f", "float64": "d",
}  # fmt: skip


def visible_dtype(tensor: TensorMeta) -> str:
    """The type people see: float32 for a quantized tensor."""
    return "float32" if tensor.scale is not None else tensor.dtype


def describe(tensor: TensorMeta) -> dict[str, Any]:
    """Metadata of a tensor, with labels where there are some."""
    result: dict[str, Any] = {
        "name": tensor.name,
        "datatype": DATATYPES[visible_dtype(tensor)],
        "shape": list(tensor.shape),
    }
    if tensor.labels is not None:
        result["parameters"] = {"labels": list(tensor.labels)}
    return result


def check_input(tensor: TensorMeta, dtype: object, shape: object) -> None:
    """Compare what a client says about an input with what the model takes.

    Raises:
        InferenceError: they differ; the text says how.
    """
    wanted = visible_dtype(tensor)
    if dtype not in (wanted, DATATYPES[wanted]):
        text = f"input {tensor.name} is {dtype!a:.80}, the model takes {DATATYPES[wanted]}"
        raise InferenceError("input", text)
    if shape is not None and (not isinstance(shape, list | tuple) or tuple(shape) != tensor.shape):
        text = f"input {tensor.name} has shape {shape!a:.80}, the model takes {list(tensor.shape)}"
        raise InferenceError("input", text)


def from_json(tensor: TensorMeta, data: object) -> bytes:
    """Little-endian bytes of a JSON list, flat or nested.

    Raises:
        InferenceError: a value of another kind, or too few or too many.
    """
    dtype = visible_dtype(tensor)
    try:
        values = _flat(data)
        if len(values) == tensor.elements:
            return struct.pack(f"<{len(values)}{_CODES[dtype]}", *values)
    except (TypeError, ValueError, OverflowError, RecursionError, struct.error) as error:
        raise InferenceError("input", f"input {tensor.name}: {error}") from error
    text = f"input {tensor.name} has {len(values)} elements, the model takes {tensor.elements}"
    raise InferenceError("input", text)


def _flat(data: object) -> list[Any]:
    if not isinstance(data, list):
        raise TypeError("data must be a list")
    if data and isinstance(data[0], list):
        return [item for part in data for item in _flat(part)]
    return data


def to_json(tensor: TensorMeta, data: bytes) -> list[Any]:
    """The elements, flat, in row-major order."""
    dtype = visible_dtype(tensor)
    values = [v for (v,) in struct.iter_unpack(f"<{_CODES[dtype]}", data)]
    return [bool(value) for value in values] if dtype == "bool" else values


def check_size(tensor: TensorMeta, data: bytes) -> bytes:
    """Raw bytes of an input.

    Raises:
        InferenceError: not as many as the tensor has.
    """
    size = tensor.elements * DTYPE_BYTES[visible_dtype(tensor)]
    if len(data) != size:
        raise InferenceError("input", f"input {tensor.name} has {len(data)} bytes, the model takes {size}")
    return data

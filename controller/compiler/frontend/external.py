"""Weights that an ONNX model keeps in other files.

A file names those files itself, so it could name any file of the machine: only files inside the model's own
folder are read, links followed, and never more bytes than the tensor has.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import onnx
from onnx.external_data_helper import uses_external_data

from controller.compiler.errors import BrokenModelError

MAX_EXTERNAL_BYTES = (1 << 31) - (1 << 24)
"""Of all external data together: with the graph around it, what protobuf can hold."""


def load_external(
    model: onnx.ModelProto, path: Path, folder: Path | None, seen: Callable[[bytes], object]
) -> None:
    """Read external data into the model, in place.

    Args:
        model: As it was parsed.
        path: Of the model, for messages.
        folder: Where the other files lie; None for a model that came without one.
        seen: Called with the bytes of each tensor, in the order of the model.

    Raises:
        BrokenModelError: A file is missing, shorter than the model says, or outside of the folder.
    """
    total = 0
    functions = (tensor for function in model.functions for tensor in _of_nodes(function.node))
    for tensor in (*_tensors(model.graph), *functions):
        if not uses_external_data(tensor):
            continue
        if folder is None:
            raise BrokenModelError(
                f"tensor {tensor.name} is in another file, and there is no folder to look in",
                remedy="give the model as a file, or load it with its external data",
            )
        nbytes = _nbytes(tensor, path)
        total += nbytes
        if total > MAX_EXTERNAL_BYTES:
            raise BrokenModelError(
                f"external data of {path.name} is larger than {MAX_EXTERNAL_BYTES >> 20:,} MiB",
                where=str(path),
                remedy="a module can hold no more: use a smaller model",
            )
        tensor.raw_data = _read(tensor, path, folder.resolve(), nbytes)
        seen(tensor.raw_data)
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Also those of attributes, and of the graphs inside nodes."""
    yield from graph.initializer
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _tensors(inner)


def _nbytes(tensor: onnx.TensorProto, path: Path) -> int:
    """What the tensor's shape and type ask for."""
    known = onnx.helper.get_all_tensor_dtypes()
    if (
        tensor.data_type not in known
        or tensor.data_type == onnx.TensorProto.STRING
        or min(tensor.dims, default=0) < 0
    ):
        raise _broken(tensor, path, "has no type or shape that could lie in another file")
    bits = int(
        _SMALL_BITS.get(tensor.data_type)
        or onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize * 8
    )
    elements: int = math.prod(tensor.dims)
    return -(-elements * bits // 8)


_SMALL_BITS = {
    getattr(onnx.TensorProto, name): bits
    for name, bits in (("INT4", 4), ("UINT4", 4), ("FLOAT4E2M1", 4), ("INT2", 2), ("UINT2", 2))
    if hasattr(onnx.TensorProto, name)
}
"""Bits of an element where several share a byte."""


def _read(tensor: onnx.TensorProto, path: Path, folder: Path, nbytes: int) -> bytes:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    name = entries.get("location", "")
    try:
        place = (folder / name).resolve()
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", nbytes))
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        raise _broken(tensor, path, f"names its place wrongly: {error}") from error
    if not place.is_relative_to(folder):
        raise BrokenModelError(
            f"external data {name} of tensor {tensor.name} lies outside of the model's folder",
            where=str(path),
            remedy=f"put it beside {path.name}, or save the model with its data inside",
        )
    if not place.is_file():
        raise BrokenModelError(
            f"external data {name} of tensor {tensor.name} is missing",
            where=str(path),
            remedy=f"put {name} beside {path.name}, or save the model with its data inside",
        )
    if length != nbytes or offset < 0:
        raise _broken(tensor, path, f"has {nbytes:,} bytes by its shape, and says {length:,} from {offset:,}")
    try:
        with place.open("rb") as file:
            file.seek(offset)
            data = file.read(nbytes)
    except (OSError, ValueError, OverflowError) as error:
        raise _broken(tensor, path, f"cannot be read from {name}: {error}") from error
    if len(data) != nbytes:
        raise _broken(tensor, path, f"needs {nbytes:,} bytes of {name}, which has {len(data):,}")
    return bytes(data)


def _broken(tensor: onnx.TensorProto, path: Path, why: str) -> BrokenModelError:
    return BrokenModelError(f"tensor {tensor.name} {why}", where=str(path), remedy="export it again")

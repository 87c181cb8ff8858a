"""From bytes to a graph that may be run."""

import math
from typing import Any

import cbor2
import numpy as np

from .arithmetic import F32
from .document import Graph, Node, Tensor
from .errors import DocumentError
from .legal import check

FORMAT = 1
_DTYPES = {
    name: np.dtype(name).newbyteorder("<")
    for name in (
        *("bool", "float16", "float32", "float64"),
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    )
}


def load(document: bytes) -> Graph:
    """Decode a graph document and check that it is legal.

    Raises:
        DocumentError: It is not.
    """
    try:
        raw = cbor2.loads(document)
        if raw["format"] != FORMAT:
            raise DocumentError(f"graph document has format {raw['format']!r}; this oracle reads {FORMAT}")
        graph = Graph(
            raw["name"],
            tuple(raw["inputs"]),
            tuple(raw["outputs"]),
            {name: _tensor(name, entry) for name, entry in raw["tensors"].items()},
            tuple(
                Node(n["name"], n["op"], tuple(n["inputs"]), tuple(n["outputs"]), dict(n["attrs"]))
                for n in raw["nodes"]
            ),
            dict(raw.get("state", {})),
            dict(raw.get("dims", {})),
        )
    except (cbor2.CBORDecodeError, KeyError, TypeError, AttributeError) as error:
        raise DocumentError(f"not a graph document: {type(error).__name__}: {error}") from error
    check(graph)
    return graph


def _tensor(name: str, raw: dict[str, Any]) -> Tensor:
    if raw["dtype"] not in _DTYPES:
        raise DocumentError(f"tensor {name!r} has unknown dtype {raw['dtype']!r}")
    dtype, shape = _DTYPES[raw["dtype"]], tuple(raw["shape"])
    data = None
    if "data" in raw:
        if len(raw["data"]) != math.prod(shape) * dtype.itemsize:
            raise DocumentError(f"tensor {name!r}: {len(raw['data'])} bytes of data for shape {list(shape)}")
        data = np.frombuffer(raw["data"], dtype).reshape(shape)
    scale = tuple(F32(value) for value in raw.get("scale", ()))
    if [float(value) for value in scale] != list(raw.get("scale", ())):
        raise DocumentError(f"tensor {name!r}: a scale is not a float32 value")
    zero_point = tuple(raw.get("zero_point", ()))
    if len(scale) != len(zero_point):
        raise DocumentError(f"tensor {name!r} has {len(scale)} scales and {len(zero_point)} zero points")
    return Tensor(name, dtype, shape, scale, zero_point, raw.get("axis"), data)

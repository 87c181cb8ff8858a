"""Graph documents of one node, for tests: written by hand from docs/spec/graph.md, not by the compiler."""

from dataclasses import dataclass
from typing import Any

import cbor2
import numpy as np

from tests.oracle import load, run


@dataclass
class Value:
    """A tensor with its value; quantized if it has a scale."""

    data: np.ndarray
    scale: Any = None
    zero_point: Any = 0
    axis: int | None = None
    constant: bool = False

    def declaration(self) -> dict[str, Any]:
        raw: dict[str, Any] = {"dtype": str(self.data.dtype), "shape": list(self.data.shape)}
        if self.scale is not None:
            raw["scale"] = np.atleast_1d(np.asarray(self.scale, np.float32)).astype(float).tolist()
            raw["zero_point"] = [int(self.zero_point)] * len(raw["scale"])
        if self.axis is not None:
            raw["axis"] = self.axis
        if self.constant:
            raw["data"] = np.ascontiguousarray(self.data).tobytes()
        return raw


@dataclass
class Out:
    """What the document declares of the output."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    scale: Any = None
    zero_point: int = 0

    def declaration(self) -> dict[str, Any]:
        raw: dict[str, Any] = {"dtype": self.dtype, "shape": list(self.shape)}
        if self.scale is not None:
            raw |= {"scale": [float(np.float32(self.scale))], "zero_point": [int(self.zero_point)]}
        return raw


def complete(op: str, rank: int, attrs: dict[str, Any]) -> dict[str, Any]:
    """``attrs`` with everything that a legal document spells out, at ONNX's defaults."""
    window = {"strides": [1] * rank, "pads": [0] * (2 * rank), "dilations": [1] * rank}
    defaults: dict[str, dict[str, Any]] = {
        "AveragePool": window | {"count_include_pad": 0},
        "Conv": window | {"group": 1},
        "MaxPool": window,
        "Table": {"function": "Identity"},
    }
    return defaults.get(op, {}) | attrs


def one_node(op: str, inputs: list[Value], out: Out, **attrs: Any) -> bytes:
    """The document of one node named /test/node, with inputs i0, i1, … and output y."""
    names = [f"i{index}" for index in range(len(inputs))]
    node: dict[str, Any] = {"name": "/test/node", "op": op, "inputs": names, "outputs": ["y"], "attrs": {}}
    node["attrs"] = complete(op, len(out.shape) - 2, attrs)
    return cbor2.dumps(
        {
            "format": 1,
            "name": "test",
            "inputs": [name for name, value in zip(names, inputs, strict=True) if not value.constant],
            "outputs": ["y"],
            "tensors": {
                **{name: value.declaration() for name, value in zip(names, inputs, strict=True)},
                "y": out.declaration(),
            },
            "nodes": [node],
        },
        canonical=True,
    )


def evaluate(op: str, inputs: list[Value], out: Out, **attrs: Any) -> np.ndarray:
    """The output of one node."""
    graph = load(one_node(op, inputs, out, **attrs))
    return run(graph, {f"i{i}": value.data for i, value in enumerate(inputs) if not value.constant})["y"]

"""What quantization did to the weights: histograms before and after."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.compiler import ModelProject, Silent
from controller.compiler.frontend import import_model, read
from controller.compiler.ir import Graph, Node, Tensor
from controller.compiler.ir.document import decode
from controller.compiler.passes import FLOAT_PASSES, apply
from controller.compiler.source import onnx_file
from protocol.module import ModuleMeta

Array = NDArray[Any]

BINS = 64


@dataclass(frozen=True)
class WeightHistogram:
    """Weights of one layer.

    Attributes:
        layer: Index.
        dtype: In which they are stored.
        count: How many there are; with padding where only the module is known.
        low: Left end of the first bin, in units of the weights, or of the stored integers.
        high: Right end of the last bin.
        after: Counts by bin, as stored.
        before: Counts by bin, as in the ONNX file after folding; None where that is not at hand.
        noise: Signal to quantization noise, dB; None for what was not quantized or is not at hand.
    """

    layer: int
    dtype: str
    count: int
    low: float
    high: float
    after: tuple[int, ...]
    before: tuple[int, ...] | None = None
    noise: float | None = None


def stored_weights(meta: ModuleMeta, memory: Callable[[int, int], bytes]) -> list[WeightHistogram]:
    """Histograms of a module alone: of what is packed for its kernels.

    Args:
        meta: Of the module.
        memory: Reads bytes at an address of the module's memory.
    """
    found = []
    for index, layer in enumerate(meta.layers):
        if layer.weights is None or not layer.weights.size:
            continue
        raw = memory(layer.weights.offset, layer.weights.size)
        dtype = layer.weights_dtype
        values = np.frombuffer(raw, np.dtype(dtype)).astype(np.float64)
        ends = (-128.0, 128.0) if dtype == "int8" else _ends(values)
        found.append(WeightHistogram(index, dtype, values.size, *ends, _counts(values, ends)))
    return found


def project_weights(meta: ModuleMeta, document: bytes, project: ModelProject) -> list[WeightHistogram]:
    """Histograms before and after, of the weights that the graph has.

    Args:
        meta: Of a module that was made from the graph.
        document: The graph document.
        project: Where the ONNX file is.

    Raises:
        CompileError: The ONNX file cannot be read.
    """
    after, before = decode(document), _float_graph(project)
    nodes = {node.name: node for node in after.nodes}
    originals = {node.name: node for node in before.nodes}
    found = []
    for index, layer in enumerate(meta.layers):
        tensor = _weight(after, nodes.get(layer.name))
        if layer.weights is None or tensor is None:
            continue
        found.append(_histogram(index, tensor, _weight(before, originals.get(layer.name))))
    return found


def _float_graph(project: ModelProject) -> Graph:
    graph = import_model(read(onnx_file(project, Silent())), project.shapes, project.name)
    apply(graph, FLOAT_PASSES)
    return graph


def _weight(graph: Graph, node: Node | None) -> Tensor | None:
    """The largest constant that a node reads."""
    if node is None:
        return None
    constants = [graph.tensors[name] for name in node.inputs if graph.tensors[name].is_constant]
    return max(constants, key=lambda tensor: tensor.nbytes, default=None)


def _histogram(layer: int, tensor: Tensor, original: Tensor | None) -> WeightHistogram:
    values = _reals(tensor)
    if original is None:
        ends = _ends(values)
        return WeightHistogram(layer, tensor.dtype.name, values.size, *ends, _counts(values, ends))
    floats = original.value.astype(np.float64)
    ends = _ends(np.concatenate([values.ravel(), floats.ravel()]))
    noise = None
    if tensor.quant is not None and values.shape == floats.shape:
        error = float(np.sum((values - floats) ** 2))
        noise = 10 * float(np.log10(np.sum(floats**2) / error)) if error else None
    return WeightHistogram(
        layer, tensor.dtype.name, values.size, *ends, _counts(values, ends), _counts(floats, ends), noise
    )


def _reals(tensor: Tensor) -> Array:
    """What the stored elements stand for, float64."""
    values = tensor.value.astype(np.float64)
    if tensor.quant is None:
        return values
    scale = tensor.quant.scale.astype(np.float64)
    if tensor.quant.axis is not None:
        shape = [1] * values.ndim
        shape[tensor.quant.axis] = -1
        scale = scale.reshape(shape)
    reals: Array = (values - tensor.quant.zero_point) * scale
    return reals


def _ends(values: Array) -> tuple[float, float]:
    """A range around zero that holds all values."""
    radius = float(np.max(np.abs(values), initial=0.0)) or 1.0
    return -radius, radius


def _counts(values: Array, ends: tuple[float, float]) -> tuple[int, ...]:
    counts, _ = np.histogram(values, BINS, ends)
    return tuple(int(count) for count in counts)

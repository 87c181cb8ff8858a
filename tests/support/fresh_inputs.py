"""Draws new inputs for a case of ONNX's suite.

Inputs that are shapes, axes, counts or switches stay. Indices are drawn within their range. All others are
drawn from the range of the case's own values, which is inside the operator's domain; where the case holds
NaN or infinity they are drawn from its values.
"""

from collections.abc import Callable, Mapping

import numpy as np
import onnx

NO_REFERENCE: dict[str, str] = {
    "test_logsoftmax_large_number": "it takes the logarithm of a softmax that has underflowed",
    **dict.fromkeys(("test_scatter_with_axis", "test_scatter_without_axis"), "it has no Scatter"),
    "test_upsample_nearest": "it has no Upsample",
}
"""Cases that `onnx.reference` cannot run on other inputs, or gets wrong, with the reason."""

KEPT: dict[str, tuple[int, ...]] = {
    "AffineGrid": (1,),
    "BlackmanWindow": (0,),
    "CenterCropPad": (1,),
    "Col2Im": (1, 2),
    "ConstantOfShape": (0,),
    "CumProd": (1,),
    "CumSum": (1,),
    "DFT": (1, 2),
    "Dropout": (1, 2),
    "Expand": (1,),
    "HammingWindow": (0,),
    "HannWindow": (0,),
    "Loop": (0, 1),
    "MaxUnpool": (1, 2),
    "MelWeightMatrix": (0, 1, 2, 3, 4),
    "NonMaxSuppression": (2, 3, 4),
    "OneHot": (1,),
    "Pad": (1, 3),
    "Range": (0, 1, 2),
    "Reshape": (1,),
    "Resize": (1, 2, 3),
    "STFT": (1, 3),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "Squeeze": (1,),
    "Tile": (1,),
    "TopK": (1,),
    "Trilu": (1,),
    "Unsqueeze": (1,),
    "Upsample": (1,),
    **{
        f"Reduce{kind}": (1,)
        for kind in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")
    },
}
"""Positions of inputs that are shapes, axes, counts or switches."""

Values = Mapping[str, np.ndarray]
Indices = Callable[[onnx.NodeProto, Values, np.ndarray, np.random.Generator], np.ndarray]
"""(node, inputs, the case's own indices) → other indices."""


def _along_axis(default: int) -> Indices:
    """Indices of one axis, each at most once where they are written to."""

    def pick(
        node: onnx.NodeProto, values: Values, own: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        shape = values[node.input[0]].shape
        axis = next((a.i for a in node.attribute if a.name == "axis"), default)
        size = shape[axis]
        if node.op_type.startswith("Scatter"):
            return np.moveaxis(_distinct(np.moveaxis(own, axis, -1).shape, size, random), -1, axis)
        return random.integers(-size, size, own.shape)

    return pick


def _distinct(shape: tuple[int, ...], size: int, random: np.random.Generator) -> np.ndarray:
    """Indices that differ along the last axis."""
    ranks = random.random((*shape[:-1], size)).argsort(-1)[..., : shape[-1]]
    return ranks - size * random.integers(0, 2, ranks.shape)


def _coordinates(
    node: onnx.NodeProto, values: Values, own: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Places in a tensor, of the form of GatherND and ScatterND; those that are written to differ."""
    batch = next((a.i for a in node.attribute if a.name == "batch_dims"), 0)
    sizes = values[node.input[0]].shape[batch : batch + own.shape[-1]]
    count = own.size // own.shape[-1]
    total = int(np.prod(sizes))
    flat = (
        random.permutation(total)[:count] if node.op_type == "ScatterND" else random.integers(0, total, count)
    )
    return np.stack(np.unravel_index(flat, sizes), -1).reshape(own.shape)


def _of_own(_: onnx.NodeProto, __: Values, own: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return random.choice(own.ravel(), own.shape)


def _hot(_: onnx.NodeProto, values: Values, own: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """What OneHot makes hot: whole numbers, also where they are floats."""
    depth = int(values["depth"])
    return random.integers(-depth, depth, own.shape)


def _rows_written(
    node: onnx.NodeProto, values: Values, own: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Where an update of a cache begins, so that it fits."""
    axis = next((a.i for a in node.attribute if a.name == "axis"), -2)
    room = values[node.input[0]].shape[axis] - values[node.input[1]].shape[axis]
    return random.integers(0, room, own.shape, endpoint=True)


INDICES: dict[tuple[str, int], Indices] = {
    ("ArrayFeatureExtractor", 1): _of_own,
    ("Gather", 1): _along_axis(0),
    ("GatherElements", 1): _along_axis(0),
    ("GatherND", 1): _coordinates,
    ("NegativeLogLikelihoodLoss", 1): _of_own,
    ("OneHot", 0): _hot,
    ("Scatter", 1): _along_axis(0),
    ("ScatterElements", 1): _along_axis(0),
    ("ScatterND", 1): _coordinates,
    ("SoftmaxCrossEntropyLoss", 1): _of_own,
    ("TensorScatter", 2): _rows_written,
}
"""Inputs that are indices."""


def draw(graph: onnx.GraphProto, values: Values, random: np.random.Generator) -> dict[str, np.ndarray]:
    """New values for the inputs of a case, of the same types and shapes.

    Args:
        graph: Tells what the inputs are for.
        values: The case's own inputs.
        random: Where chance comes from.
    """
    return {name: _fresh(graph, name, values, random) for name in values}


def _fresh(graph: onnx.GraphProto, name: str, values: Values, random: np.random.Generator) -> np.ndarray:
    own = values[name]
    for node in graph.node:
        for position, given in enumerate(node.input):
            if given != name:
                continue
            if position in KEPT.get(node.op_type, ()):
                return own
            pick = INDICES.get((node.op_type, position))
            if pick is not None:
                return pick(node, values, own, random).astype(own.dtype)
    return like(own, random)


def like(own: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Values in the range of others."""
    if own.size == 0:
        return own
    if own.dtype == bool:
        return random.integers(0, 2, own.shape).astype(bool)
    if own.dtype.kind in "iu":
        return random.integers(own.min(), own.max(), own.shape, own.dtype, endpoint=True)
    if not np.isfinite(own).all():
        return random.choice(own.ravel(), own.shape)
    low, high = float(own.min()), float(own.max())
    if low == high:
        low, high = low - 0.5 * abs(low or 1), high + 0.5 * abs(high or 1)
    return np.asarray(random.uniform(low, high, own.shape)).astype(own.dtype)

"""Inputs that are sizes and computed at run time, where the file states the size of the output.

Shapes are static: what such an input says must be what the file declares, so it is a constant.
"""

from collections.abc import Callable

import numpy as np
import onnx

from controller.compiler.ir import Array, Shape

Rule = Callable[[onnx.NodeProto, Shape], Array]


def _window(_: onnx.NodeProto, out: Shape) -> Array:
    return np.array(out[0], np.int64)


def _grid(_: onnx.NodeProto, out: Shape) -> Array:
    """The channels of AffineGrid's size do not reach its output."""
    return np.array([out[0], 1, *out[1:-1]], np.int64)


def _crop(node: onnx.NodeProto, out: Shape) -> Array:
    axes = next((list(a.ints) for a in node.attribute if a.name == "axes"), range(len(out)))
    return np.array([out[axis] for axis in axes], np.int64)


IMPLIED: dict[str, tuple[int, Rule]] = {
    "AffineGrid": (1, _grid),
    "BlackmanWindow": (0, _window),
    "CenterCropPad": (1, _crop),
    "HammingWindow": (0, _window),
    "HannWindow": (0, _window),
}
"""For each operator the input that the output's shape implies."""

"""Nodes that are written as other nodes, by domain and operator.

ONNX defines no function for them, or they are not ONNX's.
"""

from collections.abc import Callable, Mapping

import numpy as np
import onnx

from controller.compiler.frontend import qlinear, training
from controller.compiler.frontend.control import Scope

ML = "ai.onnx.ml"

Rewrite = Callable[[Scope, onnx.NodeProto], None]


def _binarizer(scope: Scope, node: onnx.NodeProto) -> None:
    """1 above the threshold, else 0."""
    threshold = next((a.f for a in node.attribute if a.name == "threshold"), 0.0)
    x, above = node.input[0], f"{node.name}/above"
    limit = scope.constant(f"{node.name}/threshold", np.array(threshold, scope.type_of(x)[0]))
    scope.write("Greater", [x, limit], [above], f"{node.name}/Greater")
    scope.write("CastLike", [above, x], [node.output[0]], f"{node.name}/Cast")


def _array_feature_extractor(scope: Scope, node: onnx.NodeProto) -> None:
    """Columns by number; a vector counts as a row."""
    x, columns = node.input
    shape = scope.type_of(x)[1]
    flat, row, minus = f"{node.name}/columns", f"{node.name}/x", f"{node.name}/all"
    scope.write("Reshape", [columns, scope.constant(minus, np.array([-1]))], [flat], f"{node.name}/Reshape")
    if len(shape) == 1:
        scope.write("Unsqueeze", [x, scope.constant(f"{row}/axis", np.array([0]))], [row], f"{row}/Unsqueeze")
        x = row
    scope.write("Gather", [x, flat], [node.output[0]], node.name, axis=-1)


def _identity(scope: Scope, node: onnx.NodeProto) -> None:
    """OptionalGetElement of what is always there."""
    scope.write("Identity", [node.input[0]], [node.output[0]], node.name)


REWRITES: Mapping[tuple[str, str], Rewrite] = {
    ("", "OptionalGetElement"): _identity,
    (ML, "ArrayFeatureExtractor"): _array_feature_extractor,
    (ML, "Binarizer"): _binarizer,
    **qlinear.REWRITES,
    **training.REWRITES,
}

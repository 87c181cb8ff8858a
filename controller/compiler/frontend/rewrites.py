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


def _tensor_scatter(scope: Scope, node: onnx.NodeProto) -> None:
    """ScatterElements, each index a place in the cache: where its sample begins, and so many steps on."""
    cache, update = node.input[:2]
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    shape = scope.type_of(update)[1]
    axis = int(attributes.get("axis", -2)) % len(shape)
    steps = np.arange(shape[axis]).reshape([-1 if d == axis else 1 for d in range(len(shape))])
    places = scope.constant(f"{node.name}/steps", steps)
    if len(node.input) > 2 and node.input[2]:
        axes = scope.constant(f"{node.name}/axes", np.arange(1, len(shape)))
        begins, moved = f"{node.name}/begins", f"{node.name}/places"
        scope.write("Unsqueeze", [node.input[2], axes], [begins], f"{node.name}/Unsqueeze")
        scope.write("Add", [begins, places], [moved], f"{node.name}/Add")
        places = moved
    if attributes.get("mode", b"linear") == b"circular":
        size = scope.constant(f"{node.name}/size", np.array(scope.type_of(cache)[1][axis]))
        scope.write("Mod", [places, size], [f"{places}/wrapped"], f"{node.name}/Mod")
        places = f"{places}/wrapped"
    whole, all_places = scope.constant(f"{node.name}/shape", np.array(shape)), f"{node.name}/indices"
    scope.write("Expand", [places, whole], [all_places], f"{node.name}/Expand")
    scope.write("ScatterElements", [cache, all_places, update], [node.output[0]], node.name, axis=axis)


REWRITES: Mapping[tuple[str, str], Rewrite] = {
    ("", "OptionalGetElement"): _identity,
    ("", "TensorScatter"): _tensor_scatter,
    (ML, "ArrayFeatureExtractor"): _array_feature_extractor,
    (ML, "Binarizer"): _binarizer,
    **qlinear.REWRITES,
    **training.REWRITES,
}

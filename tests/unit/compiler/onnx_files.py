"""ONNX files with something wrong, or something particular, in them."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def model(nodes, inputs=None, outputs=None, constants=None, opset=17):
    """A model with float inputs {name: shape} and outputs {name: shape}; constants {name: array}."""
    graph = helper.make_graph(
        nodes,
        "test",
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, s)
            for n, s in (inputs or {"x": [1, 3]}).items()
        ],
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, s)
            for n, s in (outputs or {"y": [1, 3]}).items()
        ],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def gemm_model(weights=None):
    """x [1, 4] times weights [4, 3]."""
    weights = np.arange(12, dtype=np.float32).reshape(4, 3) / 10 if weights is None else weights
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="/head")
    return model([node], {"x": [1, 4]}, {"y": [1, 3]}, {"w": weights})


def save(proto, folder: Path, name: str = "model.onnx") -> Path:
    path = folder / name
    onnx.save(proto, path)
    return path

"""A model of one MatMul whose weights are of few bits, as onnxruntime's quantizer writes them."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROWS, DEPTH, COLUMNS, BLOCK = 3, 80, 24, 32


def matmul_nbits(bits: int, random: np.random.Generator, *, zeros: bool = False) -> onnx.ModelProto:
    """`y = x w` for float32 x [ROWS, DEPTH] and w [DEPTH, COLUMNS] in blocks, the constant `w` packed."""
    blocks = -(-DEPTH // BLOCK)
    constants = {
        "w": random.integers(0, 256, (COLUMNS, blocks, BLOCK * bits // 8), np.uint8),
        "scales": random.uniform(0.01, 0.1, COLUMNS * blocks).astype(np.float32),
    }
    if zeros:
        constants["zeros"] = random.integers(0, 256, COLUMNS * -(-blocks * bits // 8), np.uint8)
    sizes = {"K": DEPTH, "N": COLUMNS, "bits": bits, "block_size": BLOCK}
    node = helper.make_node("MatMulNBits", ["x", *constants], ["y"], "few", domain="com.microsoft", **sizes)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [ROWS, DEPTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [ROWS, COLUMNS])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=versions, ir_version=8)

"""Single operators in onnxruntime, as a second opinion."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

_TYPES = {
    "float32": TensorProto.FLOAT,
    "int8": TensorProto.INT8,
    "uint8": TensorProto.UINT8,
    "int32": TensorProto.INT32,
}


def weight_limit() -> int:
    """The largest |weight| for which onnxruntime's int8 products are exact on this CPU.

    Without VNNI its x86 kernels add pairs of u8·s8 products in saturating int16; weights up to 64 are safe.
    """
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    return 127 if "avx512_vnni" in flags or "avx_vnni" in flags else 64


def onnx_run(op: str, inputs: list[np.ndarray], dtype: str, *, domain: str = "", **attrs: Any) -> np.ndarray:
    """Run one node of opset 20 on ``inputs``, with a result of ``dtype``."""
    names = [f"i{index}" for index in range(len(inputs))]
    declarations = [
        helper.make_tensor_value_info(name, _TYPES[str(value.dtype)], value.shape)
        for name, value in zip(names, inputs, strict=True)
    ]
    node = helper.make_node(op, names, ["y"], domain=domain, **attrs)
    result = helper.make_tensor_value_info("y", _TYPES[dtype], None)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(
        helper.make_graph([node], "test", declarations, [result]), opset_imports=opsets, ir_version=9
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run(None, dict(zip(names, inputs, strict=True)))[0]

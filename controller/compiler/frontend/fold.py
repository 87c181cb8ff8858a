"""Shape inference and evaluation of one ONNX node, both by the `onnx` package."""

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator
from onnx.shape_inference import InferenceError, infer_node_outputs

from controller.compiler.errors import BrokenModelError, UnsupportedError
from controller.compiler.frontend.guard import guard
from controller.compiler.ir import Array

Type = tuple[np.dtype[Any], Any]
"""Element type and shape; the shape is None where it depends on data."""

MAX_FOLDED_BYTES = 1 << 28
"""A constant made while folding may not be larger: files of a few bytes can ask for anything."""

_MAX_SHAPE_DATA = 4096
_RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)
_SLOW = frozenset({
    "AveragePool", "Col2Im", "Conv", "ConvInteger", "ConvTranspose", "DeformConv", "GatherElements",
    "GridSample", "LpPool", "LRN", "MaxPool", "MaxRoiPool", "MaxUnpool", "NonMaxSuppression", "QLinearConv",
    "Resize", "RoiAlign", "STFT", "Upsample",
})  # fmt: skip
"""The reference evaluator loops over their windows in Python, or for as long as an index is large: these run
in the module instead."""
_LOOPED = {
    "ArgMax": 1 << 17, "ArgMin": 1 << 17, "Compress": 1 << 17, "GRU": 1 << 17, "GatherND": 1 << 17,
    "LSTM": 1 << 17, "OneHot": 1 << 17, "RNN": 1 << 17, "ReverseSequence": 1 << 17,
    "ScatterElements": 1 << 17, "ScatterND": 1 << 17, "TopK": 1 << 17, "Unique": 1 << 17,
    "DFT": 1 << 14, "Det": 1 << 14, "Einsum": 1 << 14,
    "Gemm": 1 << 22, "MatMul": 1 << 22, "MatMulInteger": 1 << 22, "QLinearMatMul": 1 << 22,
}  # fmt: skip
"""The same for these, beyond so many elements of inputs and outputs."""


def is_foldable(node: onnx.NodeProto, types: Mapping[str, Type]) -> bool:
    """Whether a node with constant inputs is a constant, and one that can be computed at once."""
    if node.op_type in _LOOPED:
        shapes = [types[name][1] for name in (*node.input, *node.output) if name]
        return sum(math.prod(shape or ()) for shape in shapes) <= _LOOPED[node.op_type]
    return node.op_type not in _RANDOM and node.op_type not in _SLOW


def infer(
    node: onnx.NodeProto, types: Mapping[str, Type], constants: Mapping[str, Array], opset: int, where: str
) -> dict[str, Type]:
    """Type and shape of each output; None for a shape that depends on data.

    Raises:
        BrokenModelError: The inputs do not fit the operator.
        UnsupportedError: The type of an output is not known.
    """
    schema = onnx.defs.get_schema(node.op_type, opset, node.domain)
    guard(node, schema, types, constants, where)
    given = {name: type_proto(types[name]) for name in node.input if name}
    versions = [onnx.helper.make_opsetid(node.domain, opset)]
    # Only small constants can be shapes, axes or sizes; handing over weights would copy them.
    data = {
        name: onnx.numpy_helper.from_array(constants[name], name)
        for name in node.input
        if name in constants and constants[name].size <= _MAX_SHAPE_DATA
    }
    try:
        outputs = infer_node_outputs(schema, node, given, data, opset_imports=versions, ir_version=10)
    except (InferenceError, ValueError, onnx.checker.ValidationError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BrokenModelError(
            f"node {node.name} ({node.op_type}) does not fit its inputs: {reason}",
            where=where,
            remedy="check --shape, or export the model again",
            layer=f"{node.name} ({node.op_type})",
        ) from error
    result: dict[str, Type] = {}
    for name in filter(None, node.output):
        tensor = outputs[name].tensor_type if name in outputs else None
        if tensor is None or not tensor.elem_type:
            raise UnsupportedError(
                node.name,
                node.op_type,
                "ONNX does not tell the type of its output",
                where=where,
                remedy="export the model with operators of ONNX only",
            )
        dims = list(tensor.shape.dim) if tensor.HasField("shape") else None
        known = dims is not None and all(dim.HasField("dim_value") for dim in dims)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        result[name] = (dtype, tuple(dim.dim_value for dim in dims) if known and dims is not None else None)
    return result


def evaluate(
    node: onnx.NodeProto, constants: Mapping[str, Array], types: Mapping[str, Type], opset: int, where: str
) -> dict[str, Array]:
    """The outputs of a node whose inputs are constants.

    Raises:
        BrokenModelError: They cannot be computed, or are too large.
    """
    if node.op_type == "Constant":
        try:
            value = constant_value(node)
        except (ValueError, TypeError, KeyError) as error:
            raise BrokenModelError(
                f"the value of node {node.name} (Constant) cannot be read: {error}",
                where=where,
                remedy="export the model again",
                layer=f"{node.name} (Constant)",
            ) from error
        if value is not None:
            return {node.output[0]: value}
    sizes = [math.prod(types[name][1] or (0,)) * types[name][0].itemsize for name in node.output if name]
    if sum(sizes) > MAX_FOLDED_BYTES:
        raise BrokenModelError(
            f"node {node.name} ({node.op_type}) makes a constant of more than {MAX_FOLDED_BYTES >> 20} MiB",
            where=where,
            remedy="check the file: a model of this size has no place on a device",
            layer=f"{node.name} ({node.op_type})",
        )
    names = [name for name in dict.fromkeys(node.input) if name]
    graph = onnx.helper.make_graph(
        [node],
        "fold",
        [onnx.ValueInfoProto(name=name, type=type_proto(types[name])) for name in names],
        [onnx.ValueInfoProto(name=name, type=type_proto(types[name])) for name in node.output if name],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid(node.domain, opset)])
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = ReferenceEvaluator(model).run(None, {name: constants[name] for name in names})
    # The reference evaluator raises whatever NumPy raises.
    except Exception as error:
        raise BrokenModelError(
            f"constant node {node.name} ({node.op_type}) cannot be computed: {error}",
            where=where,
            remedy="export the model again",
            layer=f"{node.name} ({node.op_type})",
        ) from error
    return {
        name: np.asarray(value, types[name][0])
        for name, value in zip([name for name in node.output if name], values, strict=True)
    }


def constant_value(node: onnx.NodeProto) -> Array | None:
    """The value of a Constant node; None for kinds that the reference evaluator reads."""
    attribute = node.attribute[0]
    if attribute.name == "value":
        return onnx.numpy_helper.to_array(attribute.t)
    dtypes = {
        "value_float": np.float32,
        "value_floats": np.float32,
        "value_int": np.int64,
        "value_ints": np.int64,
    }
    if attribute.name in dtypes:
        return np.array(onnx.helper.get_attribute_value(attribute), dtypes[attribute.name])
    return None


def type_proto(kind: Type) -> onnx.TypeProto:
    """A type as ONNX writes it."""
    dtype, shape = kind
    return onnx.helper.make_tensor_type_proto(onnx.helper.np_dtype_to_tensor_dtype(dtype), shape)

"""Writes an int8 `.tflite` file from a graph document: python tflite.py GRAPH.cbor MODEL.tflite.

So that LiteRT runs the same quantized network without TensorFlow. Runs in the bench's own environment
(`peers.python`): the schema's classes come with ai-edge-litert. Covers what the tiny models consist of;
tensors are transposed from NCHW to NHWC. Inputs and outputs are float32, for LiteRT.js takes no int8.
"""

import sys
from pathlib import Path
from typing import Any

import cbor2
import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

DTYPES = {"int8": schema.TensorType.INT8, "int32": schema.TensorType.INT32}
VERSIONS = {
    "ADD": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "DEQUANTIZE": 2, "FULLY_CONNECTED": 4, "MEAN": 2,
    "QUANTIZE": 1, "RESHAPE": 1, "SOFTMAX": 2,
}  # fmt: skip
"""Of each operator, the first that takes int8."""
KINDS = {
    "Add": "ADD",
    "Flatten": "RESHAPE",
    "Gemm": "FULLY_CONNECTED",
    "GlobalAveragePool": "MEAN",
    "Softmax": "SOFTMAX",
}
"""What an ONNX operator is called."""
Operands = tuple[list[int], Any]
_NHWC = (0, 2, 3, 1)


class Writer:
    """One model under construction."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._buffers = [schema.BufferT()]  # the first one must be empty
        self._kinds: list[str] = []
        self._known: dict[str, int] = {}

    def model(self) -> bytes:
        """The file."""
        graph, document = self._graph, self._document
        graph.inputs = [self._float(name) for name in document["inputs"]]
        for name, source in zip(document["inputs"], graph.inputs, strict=True):
            self._operator("QUANTIZE", [source], [self.activation(name)], schema.QuantizeOptionsT())
        for node in document["nodes"]:
            inputs, options = getattr(self, node["op"].lower())(node, *node["inputs"])
            outputs = [self.activation(name) for name in node["outputs"]]
            self._operator(self._kind(node), inputs, outputs, options)
        graph.outputs = [self._float(name) for name in document["outputs"]]
        for name, target in zip(document["outputs"], graph.outputs, strict=True):
            self._operator("DEQUANTIZE", [self.activation(name)], [target], schema.DequantizeOptionsT())
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers = 3, [graph], self._buffers
        model.operatorCodes = [
            schema.OperatorCodeT(deprecatedBuiltinCode=code, builtinCode=code, version=VERSIONS[kind])
            for kind in self._kinds
            for code in [getattr(schema.BuiltinOperator, kind)]
        ]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def activation(self, name: str) -> int:
        """Index of a tensor that is computed."""
        tensor = self._document["tensors"][name]
        shape = tensor["shape"]
        shape = [shape[axis] for axis in _NHWC] if len(shape) == 4 else shape
        return self._tensor(name, tensor, shape, 0)

    def _float(self, name: str) -> int:
        like = self._graph.tensors[self.activation(name)]
        return self._append(schema.TensorT(shape=like.shape, name=f"{name}/float32".encode()))

    @staticmethod
    def _kind(node: dict[str, Any]) -> str:
        if node["op"] == "Conv":
            return "DEPTHWISE_CONV_2D" if node["attrs"]["group"] > 1 else "CONV_2D"
        return KINDS[node["op"]]

    def constant(self, name: str, order: tuple[int, ...] | None = None) -> int:
        """Index of weights or a bias; scales stay along the axis of the outputs."""
        tensor = self._document["tensors"][name]
        array = np.frombuffer(tensor["data"], tensor["dtype"]).reshape(tensor["shape"])
        axis = tensor["axis"]
        if order is not None:
            array, axis = array.transpose(order), order.index(axis)
        return self._tensor(name, tensor, array.shape, self._buffer(array), axis)

    def _buffer(self, array: np.ndarray) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(array.tobytes(), np.uint8)
        self._buffers.append(buffer)
        return len(self._buffers) - 1

    def _tensor(self, name: str, tensor: dict[str, Any], shape: Any, buffer: int, axis: int = 0) -> int:
        if name not in self._known:
            made = schema.TensorT(shape=[int(size) for size in shape], name=name.encode(), buffer=buffer)
            made.type = DTYPES[tensor["dtype"]]
            made.quantization = schema.QuantizationParametersT(
                scale=tensor["scale"], zeroPoint=tensor["zero_point"], quantizedDimension=axis
            )
            self._known[name] = self._append(made)
        return self._known[name]

    def _append(self, tensor: Any) -> int:
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _ints(self, values: list[int]) -> int:
        array = np.array(values, np.int32)
        tensor = schema.TensorT(shape=[len(values)], type=schema.TensorType.INT32)
        tensor.name, tensor.buffer = b"sizes", self._buffer(array)
        return self._append(tensor)

    def _operator(self, kind: str, inputs: list[int], outputs: list[int], options: Any) -> None:
        if kind not in self._kinds:
            self._kinds.append(kind)
        made = schema.OperatorT(opcodeIndex=self._kinds.index(kind), inputs=inputs, outputs=outputs)
        made.builtinOptions = options
        made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self._graph.operators.append(made)

    # Each makes inputs and options of one ONNX operator.

    def conv(self, node: dict[str, Any], x: str, w: str, b: str) -> Operands:
        attrs = node["attrs"]
        self._require_same(node, x)
        depthwise = self._kind(node) == "DEPTHWISE_CONV_2D"
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        options.padding = schema.Padding.SAME
        options.strideH, options.strideW = attrs["strides"]
        options.dilationHFactor = options.dilationWFactor = 1
        if depthwise:
            if attrs["group"] != self._document["tensors"][w]["shape"][0]:
                raise ValueError(f"{node['name']}: a grouped convolution")
            options.depthMultiplier = 1
        weights = self.constant(w, (1, 2, 3, 0) if depthwise else _NHWC)
        return [self.activation(x), weights, self.constant(b)], options

    def _require_same(self, node: dict[str, Any], x: str) -> None:
        attrs = node["attrs"]
        sizes = self._document["tensors"][x]["shape"][2:]
        begins, ends = [], []
        for size, kernel, stride in zip(sizes, attrs["kernel_shape"], attrs["strides"], strict=True):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            begins.append(total // 2)
            ends.append(total - total // 2)
        if attrs["pads"] != begins + ends or set(attrs["dilations"]) != {1}:
            raise ValueError(f"{node['name']}: TensorFlow cannot say this padding or dilation")

    def gemm(self, _: dict[str, Any], x: str, w: str, b: str) -> Operands:
        inputs = [self.activation(x), self.constant(w, (1, 0)), self.constant(b)]
        return inputs, schema.FullyConnectedOptionsT()

    def add(self, _: dict[str, Any], a: str, b: str) -> Operands:
        return [self.activation(a), self.activation(b)], schema.AddOptionsT()

    def globalaveragepool(self, _: dict[str, Any], x: str) -> Operands:
        return [self.activation(x), self._ints([1, 2])], schema.ReducerOptionsT(keepDims=True)

    def flatten(self, node: dict[str, Any], x: str) -> Operands:
        shape = self._document["tensors"][node["outputs"][0]]["shape"]
        if self._document["tensors"][x]["shape"][2:] != [1, 1]:
            raise ValueError(f"{node['name']}: elements would have to change their order")
        return [self.activation(x), self._ints(shape)], schema.ReshapeOptionsT(newShape=shape)

    def softmax(self, _: dict[str, Any], x: str, _table: str) -> Operands:
        return [self.activation(x)], schema.SoftmaxOptionsT(beta=1.0)


if __name__ == "__main__":
    graph, result = map(Path, sys.argv[1:])
    result.write_bytes(Writer(cbor2.loads(graph.read_bytes())).model())

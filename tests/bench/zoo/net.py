"""A network under construction: nodes, weights and the count of multiply-accumulates."""

import math
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
SEED = 1

Shape = tuple[int, ...]


class Net:
    """Builds an ONNX model layer by layer; tensors are named by the node that makes them.

    Weights are random with the variance of He et al. 2015 ("Delving Deep into Rectifiers"), so that
    activations keep their magnitude through the net, as batch normalization does in a trained one.
    Batch normalization is folded into weights and bias, as every exporter for deployment does.

    Args:
        name: Of the graph.
        shape: Of its input `x`, NCHW or [1, features].
        same: Pad as TensorFlow's SAME does (more at the end), instead of PyTorch's equal padding.
    """

    def __init__(self, name: str, shape: Shape, *, same: bool = False) -> None:
        self.name = name
        self.macs = 0
        self.shapes: dict[str, Shape] = {"x": shape}
        self._same = same
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(SEED)

    def node(self, op: str, shape: Shape, *inputs: str, **attributes: Any) -> str:
        """Append a node with one output of a known shape."""
        name = f"/{op.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        self.shapes[name] = shape
        return name

    def constant(self, array: Any) -> str:
        """Append an initializer."""
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def _weights(self, shape: Shape, fan_in: int, gain: float) -> str:
        values = self._random.standard_normal(shape) * gain * math.sqrt(2 / fan_in)
        return self.constant(values.astype(np.float32))

    def _bias(self, channels: int) -> str:
        return self.constant((self._random.standard_normal(channels) * 0.1).astype(np.float32))

    def conv(
        self,
        x: str,
        channels: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        *,
        groups: int = 1,
        act: str | None = "Relu",
        gain: float = 1.0,
    ) -> str:
        """Convolution with bias, padded to `ceil(size / stride)`, and an activation."""
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        _, depth, *size = self.shapes[x]
        begins, ends, out = [], [], []
        for extent, window in zip(size, kernel, strict=True):
            out.append(-(-extent // stride))
            total = (out[-1] - 1) * stride + window - extent if self._same else 2 * ((window - 1) // 2)
            begins.append(max(total, 0) // 2)
            ends.append(max(total, 0) - begins[-1])
        fan_in = depth // groups * kernel[0] * kernel[1]
        self.macs += out[0] * out[1] * channels * fan_in
        y = self.node(
            "Conv",
            (1, channels, *out),
            x,
            self._weights((channels, depth // groups, *kernel), fan_in, gain),
            self._bias(channels),
            kernel_shape=kernel,
            strides=[stride, stride],
            pads=begins + ends,
            group=groups,
        )
        return self.act(y, act)

    def depthwise(self, x: str, kernel: int = 3, stride: int = 1, act: str | None = "Relu") -> str:
        """Convolution of each channel by itself."""
        channels = self.shapes[x][1]
        return self.conv(x, channels, kernel, stride, groups=channels, act=act)

    def act(self, x: str, act: str | None) -> str:
        """Activation: an ONNX operator, `Relu6`, or none."""
        if act is None:
            return x
        if act == "Relu6":
            bounds = [self.constant(np.float32(bound)) for bound in (0, 6)]
            return self.node("Clip", self.shapes[x], x, *bounds)
        return self.node(act, self.shapes[x], x)

    def add(self, a: str, b: str) -> str:
        """Sum of two tensors of one shape."""
        return self.node("Add", self.shapes[a], a, b)

    def scale(self, x: str, factors: str) -> str:
        """Product with one factor a channel."""
        return self.node("Mul", self.shapes[x], x, factors)

    def max_pool(self, x: str) -> str:
        """3x3, stride 2, one element of padding."""
        _, channels, height, width = self.shapes[x]
        shape = (1, channels, (height + 1) // 2, (width + 1) // 2)
        return self.node("MaxPool", shape, x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])

    def mean(self, x: str) -> str:
        """Global average, spatial dimensions kept."""
        return self.node("GlobalAveragePool", (1, self.shapes[x][1], 1, 1), x)

    def flatten(self, x: str) -> str:
        """To [1, features]."""
        return self.node("Flatten", (1, math.prod(self.shapes[x])), x)

    def dense(self, x: str, features: int, act: str | None = None) -> str:
        """Fully connected layer with bias."""
        depth = self.shapes[x][1]
        self.macs += depth * features
        weights = self._weights((features, depth), depth, 1.0)
        y = self.node("Gemm", (1, features), x, weights, self._bias(features), transB=1)
        return self.act(y, act)

    def softmax(self, x: str) -> str:
        """Probabilities along the last axis."""
        return self.node("Softmax", self.shapes[x], x, axis=-1)

    def model(self) -> onnx.ModelProto:
        """The model, whose output is that of the last node."""
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, self.shapes[name])
            for name in ("x", self._nodes[-1].output[0])
        ]
        graph = helper.make_graph(self._nodes, self.name, ends[:1], ends[1:], self._constants)
        opset = [helper.make_opsetid("", OPSET)]
        return onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=opset, ir_version=8))

"""Small ONNX models, one for each thing that the compiler must get right."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
SEED = 20240


@dataclass
class Builder:
    """Collects nodes and constants of one model."""

    opset: int = OPSET
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    inputs: dict[str, list[int | str]] = field(default_factory=dict)
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(SEED))

    def input(self, name: str, *shape: int | str) -> str:
        self.inputs[name] = list(shape)
        return name

    def constant(self, array: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weights(self, *shape: int, spread: float = 0.5) -> str:
        return self.constant((self.random.standard_normal(shape) * spread).astype(np.float32))

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def node(self, op: str, *inputs: str, **attrs: object) -> str:
        index = len(self.nodes)
        output = f"t{index}"
        self.nodes.append(
            helper.make_node(op, list(inputs), [output], name=f"/{op.lower()}_{index}", **attrs)
        )
        return output

    def model(self, *outputs: str) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "test",
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in self.inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        return onnx.shape_inference.infer_shapes(model, data_prop=True)


Recipe = Callable[[Builder], str | tuple[str, ...]]
RECIPES: dict[str, tuple[int, Recipe]] = {}


def recipe(name: str, opset: int = OPSET) -> Callable[[Recipe], Recipe]:
    def register(function: Recipe) -> Recipe:
        RECIPES[name] = (opset, function)
        return function

    return register


def build(name: str) -> onnx.ModelProto:
    opset, function = RECIPES[name]
    builder = Builder(opset)
    outputs = function(builder)
    return builder.model(*([outputs] if isinstance(outputs, str) else outputs))


def _conv(name: str, x: tuple[int, ...], w: tuple[int, ...], *, bias: bool = True, **attrs: object) -> None:
    def make(b: Builder) -> str:
        inputs = [b.input("x", *x), b.weights(*w), *([b.weights(w[0])] if bias else [])]
        return b.node("Conv", *inputs, **attrs)

    RECIPES[f"conv_{name}"] = (OPSET, make)


_conv("1x1", (1, 7, 5, 6), (9, 7, 1, 1))
_conv("3x3_padded", (1, 4, 7, 6), (18, 4, 3, 3), pads=[1, 1, 1, 1])
_conv("3x3_no_bias", (2, 3, 6, 5), (5, 3, 3, 3), bias=False)
_conv("5x3_strides", (1, 3, 11, 9), (6, 3, 5, 3), strides=[2, 3], pads=[2, 0, 1, 1])
_conv("2x2_even", (1, 5, 6, 6), (7, 5, 2, 2), pads=[0, 1, 1, 0])
_conv("dilated", (1, 3, 9, 10), (4, 3, 3, 3), dilations=[2, 3], pads=[2, 3, 2, 3])
_conv("groups", (1, 6, 5, 5), (9, 2, 3, 3), group=3, pads=[1, 1, 1, 1])
_conv("depthwise", (1, 11, 6, 7), (11, 1, 3, 3), group=11, pads=[1, 1, 1, 1])
_conv("depthwise_stride", (1, 8, 9, 9), (8, 1, 5, 5), group=8, strides=[2, 2], pads=[2, 2, 2, 2])
_conv("depthwise_wide", (1, 70, 4, 4), (70, 1, 2, 2), group=70)
_conv("multiplier", (1, 4, 5, 5), (12, 1, 3, 3), group=4)
_conv("same_upper", (1, 3, 6, 7), (4, 3, 3, 4), auto_pad="SAME_UPPER", strides=[2, 2])
_conv("same_lower", (1, 3, 6, 7), (4, 3, 2, 4), auto_pad="SAME_LOWER")
_conv("valid", (1, 3, 6, 7), (4, 3, 3, 3), auto_pad="VALID")
_conv("1d", (1, 5, 23), (6, 5, 7), strides=[2], pads=[3, 2])
_conv("1d_depthwise", (1, 6, 17), (6, 1, 3), group=6, dilations=[2], pads=[2, 2])


@recipe("conv_winograd")
def _winograd(b: Builder) -> str:
    """A 3x3 convolution of many channels, behind a map so large that there is room for its scratch."""
    small = b.node("MaxPool", b.input("x", 1, 32, 60, 60), kernel_shape=[4, 4], strides=[4, 4])
    return b.node("Conv", small, b.weights(16, 32, 3, 3, spread=0.05), b.weights(16), pads=[1, 1, 1, 1])


def _pool(name: str, op: str, **attrs: object) -> None:
    RECIPES[name] = (OPSET, lambda b: b.node(op, b.input("x", 1, 6, 9, 8), **attrs))


_pool("max_pool", "MaxPool", kernel_shape=[2, 3], strides=[2, 2])
_pool("max_pool_padded", "MaxPool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], dilations=[1, 2])
_pool("max_pool_ceil", "MaxPool", kernel_shape=[3, 3], strides=[2, 3], ceil_mode=1)
_pool("average_pool", "AveragePool", kernel_shape=[3, 2], strides=[2, 1])
_pool("average_pool_padded", "AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
_pool("average_pool_counting", "AveragePool", kernel_shape=[3, 3], pads=[1, 0, 1, 1], count_include_pad=1)
_pool("average_pool_ceil", "AveragePool", kernel_shape=[4, 4], strides=[3, 3], ceil_mode=1)
_pool("global_average_pool", "GlobalAveragePool")
_pool("global_max_pool", "GlobalMaxPool")


@recipe("pools_1d")
def _pools_1d(b: Builder) -> str:
    x = b.node("MaxPool", b.input("x", 1, 3, 20), kernel_shape=[3], strides=[2])
    return b.node("AveragePool", x, kernel_shape=[2], strides=[2])


@recipe("gemm")
def _gemm(b: Builder) -> str:
    return b.node("Gemm", b.input("x", 3, 21), b.weights(10, 21), b.weights(10), transB=1)


@recipe("gemm_scaled")
def _gemm_scaled(b: Builder) -> str:
    return b.node("Gemm", b.input("x", 5, 3), b.weights(5, 7), b.weights(1, 7), transA=1, alpha=0.5, beta=2.0)


@recipe("gemm_matrix_addend")
def _gemm_matrix_addend(b: Builder) -> str:
    return b.node("Gemm", b.input("x", 3, 5), b.weights(5, 4), b.weights(3, 4), alpha=0.25)


@recipe("gemm_two_activations")
def _gemm_two(b: Builder) -> str:
    return b.node("Gemm", b.input("x", 3, 5), b.input("y", 6, 5), transB=1, alpha=0.5)


@recipe("matmul")
def _matmul(b: Builder) -> str:
    return b.node("MatMul", b.input("x", 2, 3, 9), b.weights(9, 17))


@recipe("matmul_bias")
def _matmul_bias(b: Builder) -> str:
    return b.node("Relu", b.node("Add", b.node("MatMul", b.input("x", 4, 9), b.weights(9, 6)), b.weights(6)))


@recipe("matmul_two_activations")
def _matmul_two(b: Builder) -> str:
    return b.node("MatMul", b.input("x", 2, 3, 5), b.input("y", 2, 5, 4))


@recipe("matmul_vector")
def _matmul_vector(b: Builder) -> str:
    return b.node("MatMul", b.input("x", 4, 9), b.weights(9))


@recipe("batch_norm_folded")
def _batch_norm_folded(b: Builder) -> str:
    conv = b.node("Conv", b.input("x", 1, 3, 6, 6), b.weights(8, 3, 3, 3))
    variance = b.constant(b.random.uniform(0.3, 2, 8).astype(np.float32))
    return b.node(
        "Relu", b.node("BatchNormalization", conv, b.weights(8), b.weights(8), b.weights(8), variance)
    )


@recipe("batch_norm_alone")
def _batch_norm_alone(b: Builder) -> str:
    variance = b.constant(b.random.uniform(0.3, 2, 5).astype(np.float32))
    return b.node(
        "BatchNormalization", b.input("x", 1, 5, 4, 3), b.weights(5), b.weights(5), b.weights(5), variance
    )


@recipe("batch_norm_vector")
def _batch_norm_vector(b: Builder) -> str:
    variance = b.constant(b.random.uniform(0.3, 2, 5).astype(np.float32))
    return b.node(
        "BatchNormalization", b.input("x", 4, 5), b.weights(5), b.weights(5), b.weights(5), variance
    )


@recipe("batch_norm_opset9", opset=9)
def _batch_norm_9(b: Builder) -> str:
    conv = b.node("Conv", b.input("x", 1, 3, 4, 4), b.weights(4, 3, 1, 1))
    variance = b.constant(b.random.uniform(0.3, 2, 4).astype(np.float32))
    return b.node(
        "BatchNormalization", conv, b.weights(4), b.weights(4), b.weights(4), variance, epsilon=1e-3
    )


@recipe("affine_chain")
def _affine_chain(b: Builder) -> str:
    x = b.node("Conv", b.input("x", 1, 3, 5, 5), b.weights(4, 3, 3, 3))
    x = b.node("Mul", x, b.weights(4, 1, 1))
    x = b.node("Sub", b.weights(1, 4, 1, 1), x)
    return b.node("Div", x, b.constant(np.float32(3)))


def _unary(name: str, op: str, opset: int = OPSET, **attrs: object) -> None:
    def alone(b: Builder) -> str:
        return b.node(op, b.input("x", 1, 3, 4, 5), **attrs)

    def fused(b: Builder) -> str:
        conv = b.node("Conv", b.input("x", 1, 3, 5, 5), b.weights(6, 3, 3, 3), b.weights(6))
        return b.node(op, conv, **attrs)

    RECIPES[f"{name}_alone"] = (opset, alone)
    RECIPES[f"{name}_after_conv"] = (opset, fused)


_unary("relu", "Relu")
_unary("clip_opset7", "Clip", 7, min=-0.5, max=0.75)
_unary("hard_sigmoid", "HardSigmoid", alpha=0.3, beta=0.4)
_unary("hard_swish", "HardSwish")
_unary("sigmoid", "Sigmoid")


@recipe("relu6")
def _relu6(b: Builder) -> str:
    conv = b.node("Conv", b.input("x", 1, 3, 5, 5), b.weights(6, 3, 3, 3, spread=3.0))
    return b.node("Clip", conv, b.constant(np.float32(0)), b.constant(np.float32(6)))


@recipe("clip_one_bound")
def _clip_one_bound(b: Builder) -> str:
    return b.node("Clip", b.input("x", 3, 7), "", b.constant(np.float32(0.3)))


@recipe("hard_swish_as_arithmetic", opset=11)
def _hard_swish_arithmetic(b: Builder) -> str:
    x = b.node("Conv", b.input("x", 1, 3, 5, 5), b.weights(6, 3, 1, 1, spread=3.0))
    zero, three, six = (b.constant(np.float32(v)) for v in (0, 3, 6))
    gate = b.node("Clip", b.node("Add", x, three), zero, six)
    return b.node("Div", b.node("Mul", x, gate), six)


@recipe("squeeze_excite")
def _squeeze_excite(b: Builder) -> str:
    x = b.node("Relu", b.node("Conv", b.input("x", 1, 4, 6, 6), b.weights(8, 4, 3, 3), pads=[1, 1, 1, 1]))
    pooled = b.node("GlobalAveragePool", x)
    gate = b.node("HardSigmoid", b.node("Conv", pooled, b.weights(8, 8, 1, 1)))
    return b.node("Mul", x, gate)


def _binary(name: str, op: str, left: tuple[int, ...], right: tuple[int, ...]) -> None:
    RECIPES[name] = (OPSET, lambda b: b.node(op, b.input("x", *left), b.input("y", *right)))


def _quotient(name: str, left: tuple[int, ...], right: tuple[int, ...]) -> None:
    """Divides by what stays away from zero."""

    def make(b: Builder) -> str:
        x, y = b.input("x", *left), b.node("Sigmoid", b.input("y", *right))
        return b.node("Div", x, b.node("Add", y, b.constant(np.float32(0.5))))

    RECIPES[name] = (OPSET, make)


_quotient("div_same", (1, 3, 4, 5), (1, 3, 4, 5))
_quotient("div_broadcast", (2, 3, 1, 5), (3, 4, 1))

for _op in ("Add", "Sub", "Mul"):
    _binary(f"{_op.lower()}_same", _op, (1, 3, 4, 5), (1, 3, 4, 5))
    _binary(f"{_op.lower()}_broadcast", _op, (2, 3, 1, 5), (3, 4, 1))
_binary("add_scalar_tensor", "Add", (2, 5), (1,))


def _with_constant(name: str, op: str, shape: tuple[int, ...], *, first: bool = False) -> None:
    def make(b: Builder) -> str:
        x, c = b.input("x", 1, 4, 3, 5), b.constant(b.random.uniform(0.5, 2, shape).astype(np.float32))
        return b.node(op, *((c, x) if first else (x, c)))

    RECIPES[name] = (OPSET, make)


_with_constant("add_scalar", "Add", ())
_with_constant("div_scalar", "Div", (1,))
_with_constant("sub_from_scalar", "Sub", (), first=True)
_with_constant("mul_channels", "Mul", (1, 4, 1, 1))
_with_constant("add_map", "Add", (4, 3, 5))
_with_constant("div_map", "Div", (1, 4, 3, 5))


@recipe("residual")
def _residual(b: Builder) -> str:
    x = b.node("Relu", b.node("Conv", b.input("x", 1, 4, 6, 6), b.weights(4, 4, 3, 3), pads=[1, 1, 1, 1]))
    y = b.node("Conv", x, b.weights(4, 4, 3, 3), pads=[1, 1, 1, 1])
    return b.node("Relu", b.node("Add", x, y))


@recipe("softmax")
def _softmax(b: Builder) -> str:
    return b.node("Softmax", b.input("x", 4, 10))


@recipe("softmax_channels")
def _softmax_channels(b: Builder) -> str:
    conv = b.node("Conv", b.input("x", 1, 3, 4, 4), b.weights(5, 3, 1, 1, spread=2.0))
    return b.node("Softmax", conv, axis=1)


@recipe("softmax_opset11", opset=11)
def _softmax_11(b: Builder) -> str:
    return b.node("Softmax", b.input("x", 2, 3, 4), axis=1)


@recipe("concat")
def _concat(b: Builder) -> str:
    x = b.input("x", 1, 3, 6, 6)
    left = b.node("Relu", b.node("Conv", x, b.weights(4, 3, 1, 1)))
    right = b.node("Conv", x, b.weights(5, 3, 1, 1, spread=4.0))
    return b.node("Concat", left, right, x, axis=1)


@recipe("concat_last_axis")
def _concat_last(b: Builder) -> str:
    return b.node("Concat", b.input("x", 2, 3), b.input("y", 2, 4), b.weights(2, 1), axis=-1)


@recipe("transpose")
def _transpose(b: Builder) -> str:
    return b.node("Transpose", b.input("x", 2, 3, 4, 5), perm=[0, 3, 1, 2])


@recipe("add_own_transpose")
def _add_own_transpose(b: Builder) -> str:
    """Both operands are one memory, walked in two orders: the sum must not overwrite it."""
    x = b.node("Sigmoid", b.input("x", 5, 5))
    return b.node("Relu", b.node("Add", x, b.node("Transpose", x)))


@recipe("mul_own_reshape")
def _mul_own_reshape(b: Builder) -> str:
    x = b.node("Sigmoid", b.input("x", 1, 6))
    return b.node("Sigmoid", b.node("Mul", b.node("Reshape", x, b.ints(6, 1)), x))


@recipe("square")
def _square(b: Builder) -> str:
    x = b.node("Sigmoid", b.input("x", 3, 6))
    return b.node("Sigmoid", b.node("Mul", x, x))


@recipe("channels_last_model")
def _channels_last(b: Builder) -> str:
    x = b.node("Transpose", b.input("x", 1, 6, 6, 3), perm=[0, 3, 1, 2])
    x = b.node("Conv", x, b.weights(4, 3, 3, 3))
    return b.node("Transpose", x, perm=[0, 2, 3, 1])


@recipe("flatten_gemm")
def _flatten_gemm(b: Builder) -> str:
    x = b.node("Relu", b.node("Conv", b.input("x", 1, 3, 6, 6), b.weights(4, 3, 3, 3)))
    return b.node("Gemm", b.node("Flatten", x), b.weights(64, 5), b.weights(5))


@recipe("reshape_to_output")
def _reshape_to_output(b: Builder) -> str:
    return b.node("Reshape", b.input("x", 2, 3, 4), b.ints(4, -1))


@recipe("reshape_map")
def _reshape_map(b: Builder) -> str:
    x = b.node("Conv", b.input("x", 1, 3, 4, 4), b.weights(4, 3, 1, 1))
    return b.node("Reshape", x, b.ints(0, 2, -1))


@recipe("shape_arithmetic")
def _shape_arithmetic(b: Builder) -> str:
    x = b.node("Conv", b.input("x", 1, 3, 4, 4), b.weights(6, 3, 1, 1))
    batch = b.node("Gather", b.node("Shape", x), b.constant(np.int64(0)), axis=0)
    rows = b.node("Unsqueeze", b.node("Mul", batch, b.constant(np.int64(2))), b.ints(0))
    tail = b.node("Slice", b.node("Shape", x), b.ints(2), b.ints(3))
    whole = b.node("Cast", b.node("Cast", b.ints(-1), to=TensorProto.INT32), to=TensorProto.INT64)
    return b.node("Reshape", x, b.node("Concat", rows, tail, whole, axis=0))


@recipe("squeeze_unsqueeze")
def _squeeze(b: Builder) -> str:
    x = b.node("GlobalAveragePool", b.input("x", 1, 5, 3, 3))
    x = b.node("Squeeze", x, b.ints(2, 3))
    return b.node("Relu", b.node("Unsqueeze", x, b.ints(1)))


@recipe("pad_before_conv")
def _pad_before_conv(b: Builder) -> str:
    x = b.node("Pad", b.input("x", 1, 3, 5, 5), b.ints(0, 0, 1, 2, 0, 0, 0, 1))
    return b.node("Conv", x, b.weights(4, 3, 3, 3))


@recipe("pad_before_average_pool")
def _pad_before_pool(b: Builder) -> str:
    x = b.node("Pad", b.input("x", 1, 3, 6, 6), b.ints(0, 0, 1, 1, 0, 0, 1, 1))
    return b.node("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2])


@recipe("pad_alone")
def _pad_alone(b: Builder) -> str:
    return b.node("Pad", b.input("x", 2, 3, 4), b.ints(0, 1, 2, 1, 0, 3), b.constant(np.float32(0.25)))


@recipe("pad_opset9", opset=9)
def _pad_9(b: Builder) -> str:
    return b.node("Pad", b.input("x", 1, 2, 3, 3), pads=[0, 0, 1, 1, 0, 0, 1, 1], mode="constant")


@recipe("identity_and_dropout", opset=11)
def _identity(b: Builder) -> str:
    return b.node("Identity", b.node("Dropout", b.node("Identity", b.input("x", 2, 3))))


@recipe("two_outputs")
def _two_outputs(b: Builder) -> tuple[str, ...]:
    x = b.node("Conv", b.input("x", 1, 3, 5, 5), b.weights(4, 3, 3, 3))
    pooled = b.node("GlobalAveragePool", x)
    return x, b.node("Flatten", pooled), b.node("Relu", x)


@recipe("mobile_block")
def _mobile_block(b: Builder) -> str:
    zero, six = b.constant(np.float32(0)), b.constant(np.float32(6))
    x = b.input("x", 1, 8, 7, 7)
    y = b.node("Clip", b.node("Conv", x, b.weights(24, 8, 1, 1)), zero, six)
    y = b.node("Clip", b.node("Conv", y, b.weights(24, 1, 3, 3), pads=[1, 1, 1, 1], group=24), zero, six)
    y = b.node("Add", x, b.node("Conv", y, b.weights(8, 24, 1, 1, spread=0.2)))
    y = b.node("GlobalAveragePool", y)
    return b.node("Softmax", b.node("Gemm", b.node("Flatten", y), b.weights(8, 3), b.weights(3)))

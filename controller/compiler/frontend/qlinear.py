"""Quantized operators in one node, ONNX's and onnxruntime's, written as three: dequantize, operate, quantize.

That is what they mean. Where scales are constants the result becomes int8 again, see `quantize.adopt`.
"""

from collections.abc import Callable

import numpy as np
import onnx

from controller.compiler.errors import UnsupportedError
from controller.compiler.frontend.control import Scope

CONTRIB = "com.microsoft"
"""onnxruntime's own operators: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md."""

Rewrite = Callable[[Scope, onnx.NodeProto], None]


def _attributes(node: onnx.NodeProto, *left_out: str) -> dict[str, object]:
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute if a.name not in left_out}


def _input(node: onnx.NodeProto, index: int) -> str:
    return node.input[index] if index < len(node.input) else ""


def _real(scope: Scope, node: onnx.NodeProto, first: int, axis: int = 0) -> str:
    """Inputs first … first + 2, a value with scale and zero point, as one float value."""
    name = f"{node.name}/real{first}"
    given = [_input(node, first + index) for index in range(3)]
    while not given[-1]:
        given.pop()
    scope.write("DequantizeLinear", given, [name], f"{name}/Dequantize", axis=axis)
    return name


def _finish(scope: Scope, node: onnx.NodeProto, value: str, scale: int) -> None:
    """Quantize to inputs scale, scale + 1."""
    given = [value, node.input[scale]]
    zero, kind = _input(node, scale + 1), {}
    if zero:
        given.append(zero)
    else:
        kind = {"output_dtype": onnx.helper.np_dtype_to_tensor_dtype(scope.type_of(node.input[0])[0])}
    scope.write("QuantizeLinear", given, [node.output[0]], f"{node.name}/Quantize", axis=0, **kind)


def _bias(scope: Scope, node: onnx.NodeProto, bias: int, scales: tuple[int, int]) -> list[str]:
    """An int32 bias stands at the product of the scales of both operands."""
    if not _input(node, bias):
        return []
    name = f"{node.name}/bias"
    inputs = [node.input[index] for index in scales]
    scope.write("Mul", inputs, [f"{name}/scale"], f"{name}/Mul")
    value = scope.value_of(f"{name}/scale")
    scale = f"{name}/scale"
    if value is not None:
        scale = scope.constant(f"{name}/scales", value.reshape(-1) if value.size > 1 else value.reshape(()))
    scope.write("DequantizeLinear", [node.input[bias], scale], [name], f"{name}/Dequantize", axis=0)
    return [name]


def _conv(scope: Scope, node: onnx.NodeProto) -> None:
    """QLinearConv: x, w, y with their scales and zero points, bias."""
    operands = [_real(scope, node, 0), _real(scope, node, 3), *_bias(scope, node, 8, (1, 4))]
    scope.write("Conv", operands, [f"{node.name}/real"], node.name, **_attributes(node))
    _finish(scope, node, f"{node.name}/real", 6)


def _matmul(scope: Scope, node: onnx.NodeProto) -> None:
    """QLinearMatMul. Scales of rows and of columns stand along the last axes."""
    axes = [len(scope.type_of(node.input[index])[1]) - back for index, back in ((0, 2), (3, 1))]
    operands = [_real(scope, node, 0, axes[0]), _real(scope, node, 3, axes[1])]
    scope.write("MatMul", operands, [f"{node.name}/real"], node.name)
    _finish(scope, node, f"{node.name}/real", 6)


def _gemm(scope: Scope, node: onnx.NodeProto) -> None:
    """QGemm: a, b with scales and zero points, bias at scale alpha a b, scale and zero point of y or none."""
    axis = 0 if _attributes(node).get("transB", 0) else 1
    operands = [_real(scope, node, 0), _real(scope, node, 3, axis), *_bias(scope, node, 6, (1, 4))]
    quantized = bool(_input(node, 7))
    out = f"{node.name}/real" if quantized else node.output[0]
    scope.write("Gemm", operands, [out], node.name, **_attributes(node))
    if quantized:
        _finish(scope, node, out, 7)


def _two(op: str) -> Rewrite:
    def rewrite(scope: Scope, node: onnx.NodeProto) -> None:
        operands = [_real(scope, node, 0), _real(scope, node, 3)]
        scope.write(op, operands, [f"{node.name}/real"], node.name)
        _finish(scope, node, f"{node.name}/real", 6)

    return rewrite


def _one(op: str, *left_out: str) -> Rewrite:
    def rewrite(scope: Scope, node: onnx.NodeProto) -> None:
        operand = _real(scope, node, 0)
        attributes = _attributes(node, "channels_last", *left_out)
        scope.write(op, [operand], [f"{node.name}/real"], node.name, **attributes)
        _finish(scope, node, f"{node.name}/real", 3)

    return rewrite


def _concat(scope: Scope, node: onnx.NodeProto) -> None:
    """QLinearConcat: scale and zero point of y, then each input with its own."""
    operands = [_real(scope, node, first) for first in range(2, len(node.input), 3)]
    scope.write("Concat", operands, [f"{node.name}/real"], node.name, **_attributes(node))
    _finish(scope, node, f"{node.name}/real", 0)


def _matmul_nbits(scope: Scope, node: onnx.NodeProto) -> None:
    """MatMulNBits: a, packed b, scales, zero points, g_idx, bias. Weights stay packed."""
    attrs = {"bits": 4} | _attributes(node)
    bits, block, columns = (int(str(attrs[key])) for key in ("bits", "block_size", "N"))
    a, packed, scales = node.input[:3]
    kind, shape = scope.type_of(a)
    blocks = -(-int(str(attrs["K"])) // block)
    if bits not in (2, 4, 8) or _input(node, 4) or kind.name not in ("float32", "float16"):
        why = f"{bits} bits of {kind}, or with g_idx, has no kernel"
        raise UnsupportedError(
            node.name,
            node.op_type,
            why,
            where=scope.where,
            remedy="use 4 or 8 bits without g_idx, in float32",
        )
    zeros = _zero_points(scope, node, bits, (columns, blocks))
    bias = _input(node, 5) or scope.constant(f"{node.name}/bias", np.zeros(1, np.float32))
    values = scope.value_of(scales)
    if values is not None:
        scales = scope.constant(f"{node.name}/scales", values.reshape(columns, blocks))
    scope.write_node(
        "MatMulNBits",
        [a, packed, scales, zeros, bias],
        (node.output[0], (*shape[:-1], columns)),
        node.name,
        bits=bits,
        block=block,
    )


def _zero_points(scope: Scope, node: onnx.NodeProto, bits: int, shape: tuple[int, int]) -> str:
    """One for each block, or one for all: the middle."""
    name = f"{node.name}/zero_points"
    if not _input(node, 3):
        return scope.constant(name, np.array([1 << (bits - 1)], np.uint8))
    value = scope.value_of(node.input[3])
    if value is None:
        raise UnsupportedError(
            node.name,
            node.op_type,
            "its zero points are computed at run time",
            where=scope.where,
            remedy="export the model with them as constants",
        )
    if value.dtype.kind == "f":
        return scope.constant(name, value.astype(np.float32).reshape(shape))
    rows = value.reshape(shape[0], -1)
    parts = [rows >> (bits * part) & ((1 << bits) - 1) for part in range(8 // bits)]
    return scope.constant(name, np.stack(parts, -1).reshape(shape[0], -1)[:, : shape[1]])


def _plain(op: str) -> Rewrite:
    """The same operator in both domains."""

    def rewrite(scope: Scope, node: onnx.NodeProto) -> None:
        scope.write(op, list(node.input), list(node.output), node.name, **_attributes(node))

    return rewrite


REWRITES: dict[tuple[str, str], Rewrite] = {
    ("", "QLinearConv"): _conv,
    ("", "QLinearMatMul"): _matmul,
    (CONTRIB, "DequantizeLinear"): _plain("DequantizeLinear"),
    (CONTRIB, "MatMulNBits"): _matmul_nbits,
    (CONTRIB, "QGemm"): _gemm,
    (CONTRIB, "QLinearAdd"): _two("Add"),
    (CONTRIB, "QLinearAveragePool"): _one("AveragePool"),
    (CONTRIB, "QLinearConcat"): _concat,
    (CONTRIB, "QLinearGlobalAveragePool"): _one("GlobalAveragePool"),
    (CONTRIB, "QLinearLeakyRelu"): _one("LeakyRelu"),
    (CONTRIB, "QLinearMul"): _two("Mul"),
    (CONTRIB, "QLinearSigmoid"): _one("Sigmoid"),
    (CONTRIB, "QLinearSoftmax"): _one("Softmax", "opset"),
    (CONTRIB, "QuantizeLinear"): _plain("QuantizeLinear"),
}

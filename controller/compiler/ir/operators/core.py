"""Operators with kernels of their own: networks spend their time in these, and int8 has its rules here.

The same table as `docs/spec/graph.md`; the verifier holds every graph against it.
"""

import math
from typing import Any

import numpy as np

from controller.compiler.ir.graph import Shape
from controller.compiler.ir.operators.table import Operator, ShapeRule

WINDOW = frozenset({"kernel_shape", "strides", "pads", "dilations"})


def window_size(size: int, kernel: int, stride: int, pads: int, dilation: int) -> tuple[int, int]:
    """Number of window positions along one axis, without and with `ceil_mode`."""
    free = size + pads - ((kernel - 1) * dilation + 1)
    return free // stride + 1, -(-free // stride) + 1


def _windows(inputs: list[Shape], attrs: dict[str, Any], out: Shape) -> bool:
    spatial, rank = inputs[0][2:], len(inputs[0]) - 2
    kernel, strides, dilations = attrs["kernel_shape"], attrs["strides"], attrs["dilations"]
    pads = attrs["pads"]
    if not (len(kernel) == len(strides) == len(dilations) == rank and len(pads) == 2 * rank):
        return False
    sizes = [
        window_size(spatial[i], kernel[i], strides[i], pads[i] + pads[i + rank], dilations[i])
        for i in range(rank)
    ]
    return all(size in allowed for size, allowed in zip(out[2:], sizes, strict=True))


def _conv(inputs: list[Shape], attrs: dict[str, Any], out: Shape) -> bool:
    x, w = inputs[0], inputs[1]
    return (
        len(x) == len(w) == len(out)
        and len(x) in (3, 4)
        and list(w[2:]) == list(attrs["kernel_shape"])
        and x[1] == w[1] * attrs["group"]
        and w[0] % attrs["group"] == 0
        and out[:2] == (x[0], w[0])
        and (len(inputs) < 3 or inputs[2] == (w[0],))
        and _windows(inputs, attrs, out)
    )


def _pool(inputs: list[Shape], attrs: dict[str, Any], out: Shape) -> bool:
    x = inputs[0]
    return len(x) in (3, 4) and out[:2] == x[:2] and len(out) == len(x) and _windows(inputs, attrs, out)


def _global_pool(inputs: list[Shape], _: dict[str, Any], out: Shape) -> bool:
    x = inputs[0]
    return len(x) in (3, 4) and out == (*x[:2], *(1,) * (len(x) - 2))


def _matmul(inputs: list[Shape], _: dict[str, Any], out: Shape) -> bool:
    a, b = inputs[0], inputs[1]
    return (
        len(a) >= 2
        and len(b) >= 2
        and a[-1] == b[-2]
        and out == (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])
        and (len(inputs) < 3 or inputs[2] == (b[-1],))
    )


def _gemm(inputs: list[Shape], attrs: dict[str, Any], out: Shape) -> bool:
    return len(inputs[0]) == len(inputs[1]) == 2 and _matmul(inputs, attrs, out)


def _broadcast(inputs: list[Shape], _: dict[str, Any], out: Shape) -> bool:
    return np.broadcast_shapes(*inputs) == out


def _same(inputs: list[Shape], _: dict[str, Any], out: Shape) -> bool:
    return inputs[0] == out


def _table(inputs: list[Shape], _: dict[str, Any], out: Shape) -> bool:
    return inputs == [out, (256,)]


def _axis(inputs: list[Shape], attrs: dict[str, Any], out: Shape) -> bool:
    return inputs[0] == out and 0 <= attrs["axis"] < len(out) and inputs[1:] in ([], [(256,)])


def _batch_norm(inputs: list[Shape], _: dict[str, Any], out: Shape) -> bool:
    x = inputs[0]
    return len(x) >= 2 and out == x and inputs[1:] == [(x[1],), (x[1],)]


def _reshape(inputs: list[Shape], _: dict[str, Any], out: Shape) -> bool:
    return math.prod(inputs[0]) == math.prod(out)


def _transpose(inputs: list[Shape], attrs: dict[str, Any], out: Shape) -> bool:
    perm = attrs["perm"]
    return sorted(perm) == list(range(len(inputs[0]))) and out == tuple(inputs[0][i] for i in perm)


def _concat(inputs: list[Shape], attrs: dict[str, Any], out: Shape) -> bool:
    axis = attrs["axis"]
    others = {(*shape[:axis], *shape[axis + 1 :]) for shape in inputs}
    return (
        0 <= axis < len(out)
        and others == {(*out[:axis], *out[axis + 1 :])}
        and sum(shape[axis] for shape in inputs) == out[axis]
    )


def _pad(inputs: list[Shape], attrs: dict[str, Any], out: Shape) -> bool:
    if "pads" not in attrs:
        return len(inputs) == 4
    x, pads = inputs[0], attrs["pads"]
    rank = len(x)
    return len(pads) == 2 * rank and out == tuple(x[i] + pads[i] + pads[i + rank] for i in range(rank))


_CLAMP = frozenset({"clamp"})
_NONE: frozenset[str] = frozenset()


def _window(
    inputs: tuple[int, int], attrs: frozenset[str], shape: ShapeRule, quantized: str = "rescale"
) -> Operator:
    return Operator(inputs, attrs, shape, quantized, _CLAMP, layout="channels-last")


def _binary(quantized: str) -> Operator:
    return Operator((2, 2), _NONE, _broadcast, quantized, _CLAMP, types="same", layout="any")


def _unary(attrs: frozenset[str] = _NONE) -> Operator:
    return Operator((1, 1), attrs, _same, layout="any")


def _view(shape: ShapeRule) -> Operator:
    return Operator((1, 1), _NONE, shape, "copy", types="same")


CORE: dict[str, Operator] = {
    "Conv": _window((2, 3), WINDOW | {"group"}, _conv),
    "Gemm": Operator((2, 3), _NONE, _gemm, "rescale", _CLAMP),
    "MatMul": Operator((2, 3), _NONE, _matmul, "rescale", _CLAMP),
    "Add": _binary("rescale"),
    "Sub": _binary("rescale"),
    "Mul": _binary("rescale"),
    "Div": _binary(""),
    "MaxPool": _window((1, 1), WINDOW, _pool, "copy"),
    "AveragePool": _window((1, 1), WINDOW | {"count_include_pad"}, _pool),
    "GlobalAveragePool": _window((1, 1), _NONE, _global_pool),
    "Relu": _unary(_CLAMP),
    "Clip": _unary(_CLAMP),
    "HardSigmoid": _unary(frozenset({"alpha", "beta"})),
    "HardSwish": _unary(),
    "Sigmoid": _unary(),
    "Table": Operator((2, 2), frozenset({"function"}), _table, "rescale", layout="any"),
    "Softmax": Operator((1, 2), frozenset({"axis"}), _axis, "rescale", layout="any"),
    "Concat": Operator((1, 1 << 16), frozenset({"axis"}), _concat, "copy", types="same", layout="any"),
    "Reshape": _view(_reshape),
    "Flatten": _view(_reshape),
    "Squeeze": _view(_reshape),
    "Unsqueeze": _view(_reshape),
    "Identity": _view(_same),
    "Transpose": Operator((1, 1), frozenset({"perm"}), _transpose, "copy", types="same", layout="any"),
    "QuantizeLinear": Operator((1, 1), _NONE, _same, "convert", layout="any"),
    "DequantizeLinear": Operator((1, 1), _NONE, _same, "convert", layout="any"),
    # With attributes before the passes only, which write that as Concat; else pads are read at run time.
    "Pad": Operator((1, 4), _NONE, _pad, types="same", optional=frozenset({"pads", "value", "mode"})),
    # Before the passes only: they fold these, or write them with the operators above.
    "BatchNormalization": Operator((3, 3), _NONE, _batch_norm),
}

UNLOWERED = frozenset({"BatchNormalization"})
"""Operators that a graph document does not know."""

VIEWS = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"})
"""Operators that give the same elements in the same order."""

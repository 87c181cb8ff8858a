"""What a legal graph document is: the rules of ``docs/spec/graph.md`` that decoding alone does not show."""

import math

import numpy as np

from .document import Graph, Node, Tensor
from .errors import DocumentError
from .signatures import SIGNATURES

_WINDOW = ("kernel_shape", "strides", "pads", "dilations")
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "Add": (),
    "AveragePool": (*_WINDOW, "count_include_pad"),
    "Clip": ("clamp",),
    "Concat": ("axis",),
    "Conv": (*_WINDOW, "group"),
    "DequantizeLinear": (),
    "Div": (),
    "Flatten": (),
    "Gemm": (),
    "GlobalAveragePool": (),
    "HardSigmoid": ("alpha", "beta"),
    "HardSwish": (),
    "Identity": (),
    "MatMul": (),
    "MaxPool": _WINDOW,
    "Mul": (),
    "QuantizeLinear": (),
    "Relu": ("clamp",),
    "Reshape": (),
    "Sigmoid": (),
    "Softmax": ("axis",),
    "Squeeze": (),
    "Sub": (),
    "Table": ("function",),
    "Transpose": ("perm",),
    "Unsqueeze": (),
}
_BINARY = {"Add", "Div", "Mul", "Sub"}
_BY_CONSTANT = {"Conv", "Gemm", "MatMul"}
_FUSES_CLAMP = _BINARY | _BY_CONSTANT | {"AveragePool", "GlobalAveragePool", "MaxPool"}
_COPIES = {"Concat", "Flatten", "Identity", "MaxPool", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
_MOVES = {"Expand", "Gather", "GatherElements", "GatherND", "ReverseSequence", "Slice", "Split", "Tile"}
_ANY_DTYPE = (_COPIES - {"MaxPool"}) | _BINARY
_FLOAT_ONLY = {"Clip", "HardSigmoid", "HardSwish", "Relu", "Sigmoid"}
_INT8, _FLOAT = np.dtype(np.int8), np.dtype(np.float32)


def check(graph: Graph) -> None:
    """Raise `DocumentError` at the first rule that ``graph`` breaks."""
    _check_order(graph)
    for tensor in graph.tensors.values():
        _check_tensor(tensor)
    for node in graph.nodes:
        if node.op in SIGNATURES:
            _check_signature(node)
            if node.op in _MOVES:
                _check_move(graph, node)
            continue
        _check_attributes(node)
        _check_arity(graph, node)
        _check_dtypes(graph, node)
        if node.op in _COPIES:
            _check_copy(graph, node)
        if node.op in _BY_CONSTANT and graph.tensors[node.inputs[0]].dtype == _INT8:
            _check_weights(graph, node)


def _check_order(graph: Graph) -> None:
    """Every tensor is an input, a constant, or made by one earlier node; node names are unique."""
    constants = {name for name, tensor in graph.tensors.items() if tensor.data is not None}
    if both := constants & set(graph.inputs):
        raise DocumentError(f"graph input {min(both)!r} is a constant")
    known, names = constants | set(graph.inputs) | set(graph.state), set()
    for node in graph.nodes:
        if node.name in names:
            raise DocumentError(f"two nodes are named {node.name!r}")
        names.add(node.name)
        for name in node.inputs:
            if name not in known:
                raise DocumentError(f"{node} reads {name!r} before anything makes it")
        for name in node.outputs:
            if name in known:
                raise DocumentError(f"{node} makes {name!r}, which is there already")
            known.add(name)
    results = {*graph.outputs, *graph.state.values(), *graph.dims, *graph.dims.values()}
    if wrong := (known | results) ^ (known & set(graph.tensors)):
        raise DocumentError(f"tensor {min(wrong)!r} is used and not declared, or never made")


def _check_tensor(tensor: Tensor) -> None:
    if any(size < 0 for size in tensor.shape):
        raise DocumentError(f"tensor {tensor.name!r} has the shape {list(tensor.shape)}")
    if not tensor.scale:
        return
    if not all(math.isfinite(scale) and scale > 0 for scale in tensor.scale):
        raise DocumentError(f"tensor {tensor.name!r} has a scale that is not finite and positive")
    if tensor.axis is None:
        if len(tensor.scale) != 1:
            raise DocumentError(f"tensor {tensor.name!r} has {len(tensor.scale)} scales and no axis")
    elif len(tensor.scale) != tensor.shape[tensor.axis] or any(tensor.zero_point):
        raise DocumentError(
            f"tensor {tensor.name!r} needs a scale for each index of axis {tensor.axis}, and zero points of 0"
        )
    if tensor.dtype.kind not in "iu":
        raise DocumentError(f"tensor {tensor.name!r} is {tensor.dtype} and has a scale")
    limits = np.iinfo(tensor.dtype)
    if not all(limits.min <= zero <= limits.max for zero in tensor.zero_point):
        raise DocumentError(f"tensor {tensor.name!r} has a zero point outside {tensor.dtype}")


def _check_signature(node: Node) -> None:
    """A general operator: so many inputs and outputs, these attributes; its types show when it runs."""
    signature = SIGNATURES[node.op]
    keys = set(node.attrs)
    if missing := signature.attributes - keys:
        raise DocumentError(f"{node} has no attribute {min(missing)!r}")
    if unknown := keys - signature.attributes - signature.optional:
        raise DocumentError(f"{node} has an attribute {min(unknown)!r}, which it cannot have")
    for count, (least, most) in (
        (len(node.inputs), signature.inputs),
        (len(node.outputs), signature.outputs),
    ):
        if not least <= count <= most:
            raise DocumentError(f"{node} has {len(node.inputs)} inputs and {len(node.outputs)} outputs")


def _check_attributes(node: Node) -> None:
    if node.op not in ATTRIBUTES:
        raise DocumentError(f"{node.name}: operator {node.op} is not in docs/spec/graph.md")
    required = set(ATTRIBUTES[node.op])
    if missing := required - set(node.attrs):
        raise DocumentError(f"{node} has no attribute {min(missing)!r}")
    optional = {"clamp"} if node.op in _FUSES_CLAMP else set()
    if unknown := set(node.attrs) - required - optional:
        raise DocumentError(f"{node} has an attribute {min(unknown)!r}, which it cannot have")


def _check_arity(graph: Graph, node: Node) -> None:
    least, most = 1, 1
    if node.op in _BINARY or node.op == "Table":
        least = most = 2
    elif node.op in _BY_CONSTANT:
        least, most = 2, 3
    elif node.op == "Concat":
        most = len(node.inputs)
    elif node.op == "Softmax" and graph.tensors[node.outputs[0]].dtype == _INT8:
        least = most = 2
    if not least <= len(node.inputs) <= most or len(node.outputs) != 1:
        raise DocumentError(f"{node} has {len(node.inputs)} inputs and {len(node.outputs)} outputs")


def _check_dtypes(graph: Graph, node: Node) -> None:
    x, y = graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]]
    source, result = x.dtype, y.dtype
    if node.op not in _ANY_DTYPE:
        for tensor in (x, y):
            if tensor.dtype == _INT8 and not tensor.scale:
                raise DocumentError(f"{node}: {tensor.name!r} is int8 and has no scale")
    if node.op == "Div" and x.scale:
        legal = False
    elif node.op in _ANY_DTYPE:
        legal = source == result
    elif node.op == "QuantizeLinear":
        legal = (source, result) == (_FLOAT, _INT8)
    elif node.op == "DequantizeLinear":
        legal = (source, result) == (_INT8, _FLOAT)
    else:
        allowed = {_INT8, _FLOAT} - ({_INT8} if node.op in _FLOAT_ONLY else set())
        legal = source == result and source in (allowed - {_FLOAT} if node.op == "Table" else allowed)
    if not legal:
        raise DocumentError(f"{node} is not defined from {source} to {result}")


def _check_copy(graph: Graph, node: Node) -> None:
    """Copied elements keep their meaning only if scale and zero point stay."""
    out = graph.tensors[node.outputs[0]]
    for tensor in (graph.tensors[name] for name in node.inputs):
        if (tensor.scale, tensor.zero_point) != (out.scale, out.zero_point):
            raise DocumentError(f"{node}: scale or zero point of {tensor.name!r} changes")


def _check_move(graph: Graph, node: Node) -> None:
    """What is copied from the first input keeps type, scale and zero point; what says where has none."""
    x, *where = (graph.tensors[name] for name in node.inputs)
    for out in (graph.tensors[name] for name in node.outputs):
        if (x.dtype, x.scale, x.zero_point) != (out.dtype, out.scale, out.zero_point):
            raise DocumentError(f"{node}: type, scale or zero point of {x.name!r} changes")
    if any(tensor.scale for tensor in where):
        raise DocumentError(f"{node} has indices with a scale")


def _check_weights(graph: Graph, node: Node) -> None:
    """int8 weights are a constant with zero points of 0; their bias is int32 at the scale of the products."""
    x, w, *rest = (graph.tensors[name] for name in node.inputs)
    if w.data is None or w.dtype != _INT8 or any(w.zero_point):
        raise DocumentError(f"{node}: {w.name!r} is not an int8 constant with zero points of 0")
    for bias in rest:
        scales = x.s * w.scales(bias.shape[0])
        if bias.dtype != np.int32 or not np.array_equal(bias.scales(bias.shape[0]), scales):
            raise DocumentError(f"{node}: {bias.name!r} is not int32 at the scale of input times weights")

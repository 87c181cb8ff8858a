"""Ways to damage an ONNX file: bytes, protobuf fields of any kind, and what a compiler reads closely."""

import math
import random
import struct
from collections.abc import Callable, Iterator

import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

Random = random.Random

INTEGERS = (
    0,
    1,
    -1,
    2,
    3,
    7,
    28,
    255,
    4096,
    65536,
    1 << 20,
    (1 << 31) - 1,
    1 << 31,
    1 << 40,
    (1 << 63) - 1,
    -(1 << 63),
)
FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-45, 1e-30, 3e38, math.inf, -math.inf, math.nan)
SIZES = (0, 1, 2, 3, 5, 17, 1000, 65536, 1 << 24, 1 << 31, (1 << 63) - 1, -1)
TEXTS = (
    "",
    "x",
    "a" * 600,
    "\0",
    "../../etc/passwd",
    "é",
    "\x1b[2J",
    "ai.onnx.ml",
    "com.microsoft",
    "Loop",
    "If",
)
HOW_MANY = (1, 1, 1, 2, 3)
"""Mutations of one file: more of them seldom get past the first check."""


def mutate(data: bytes, rng: Random) -> bytes:
    """A damaged copy of a file."""
    if rng.random() < 0.15:
        return _bytes(data, rng)
    model = onnx.ModelProto()
    model.ParseFromString(data)
    for _ in range(rng.choice(HOW_MANY)):
        rng.choice(AIMED if rng.random() < 0.6 else (_any_field,))(model, rng)
    try:
        damaged = model.SerializeToString()
    except ValueError:
        return data
    return _bytes(damaged, rng) if rng.random() < 0.05 else damaged


def _bytes(data: bytes, rng: Random) -> bytes:
    """Flips, cuts, repeats."""
    raw = bytearray(data)
    kind = rng.randrange(5)
    place = rng.randrange(len(raw) + 1)
    if kind == 0:
        return bytes(raw[:place])
    if kind == 1:
        return bytes(raw[:place] + raw[place + rng.randint(1, 16) :])
    if kind == 2:
        piece = raw[place : place + rng.randint(1, 64)]
        return bytes(raw[:place] + piece * rng.randint(1, 4) + raw[place:])
    for _ in range(rng.randint(1, 8)):
        if raw:
            raw[rng.randrange(len(raw))] = rng.randrange(256) if kind == 3 else 1 << rng.randrange(8)
    return bytes(raw)


def _messages(message: Message) -> Iterator[Message]:
    """A message and all inside."""
    yield message
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in value if field.is_repeated else (value,):
                yield from _messages(inner)


def _value(field: FieldDescriptor, rng: Random) -> object:
    kinds = FieldDescriptor
    if field.type in (kinds.TYPE_FLOAT, kinds.TYPE_DOUBLE):
        return rng.choice(FLOATS)
    if field.type == kinds.TYPE_STRING:
        return rng.choice(TEXTS)
    if field.type == kinds.TYPE_BYTES:
        return rng.randbytes(rng.choice((0, 1, 4, 8, 64)))
    if field.type == kinds.TYPE_ENUM:
        return rng.choice([value.number for value in field.enum_type.values])
    value = rng.choice(INTEGERS)
    low, high = (-(1 << 31), 1 << 31) if field.type == kinds.TYPE_INT32 else (-(1 << 63), 1 << 63)
    if field.type in (kinds.TYPE_UINT64, kinds.TYPE_UINT32):
        low, high = 0, 1 << (64 if field.type == kinds.TYPE_UINT64 else 32)
    return value if low <= value < high else 1


def _any_field(model: onnx.ModelProto, rng: Random) -> None:
    """One field of one message, whatever it is."""
    message = rng.choice(list(_messages(model)))
    field = rng.choice(message.DESCRIPTOR.fields)
    current = getattr(message, field.name)
    if field.is_repeated:
        _repeated(current, field, rng)
    elif rng.random() < 0.2:
        message.ClearField(field.name)
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        current.SetInParent()
    else:
        setattr(message, field.name, _value(field, rng))


def _repeated(values: object, field: FieldDescriptor, rng: Random) -> None:
    items = list(values)
    kind = rng.randrange(4)
    if items and kind == 0:
        del items[rng.randrange(len(items))]
    elif items and kind == 1:
        rng.shuffle(items)
    elif items and kind == 2:
        items.insert(rng.randrange(len(items)), rng.choice(items))
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        values.add()
        return
    else:
        items.insert(rng.randrange(len(items) + 1), _value(field, rng))
    copies = [_copy(item) if field.type == FieldDescriptor.TYPE_MESSAGE else item for item in items]
    del values[:]
    values.extend(copies)


def _copy(message: Message) -> Message:
    fresh = type(message)()
    fresh.CopyFrom(message)
    return fresh


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [node for graph in _graphs(model.graph) for node in graph.node]


def _names(model: onnx.ModelProto) -> list[str]:
    graph = model.graph
    found = [value.name for value in (*graph.input, *graph.output, *graph.initializer)]
    return found + [name for node in _nodes(model) for name in (*node.input, *node.output)] or ["x"]


def _dims(model: onnx.ModelProto, rng: Random) -> None:
    """A size or the rank of a declared value or of a constant."""
    graph = model.graph
    tensors = [*graph.initializer, *(a.t for n in _nodes(model) for a in n.attribute if a.HasField("t"))]
    values = [value.type.tensor_type.shape.dim for value in (*graph.input, *graph.output, *graph.value_info)]
    if tensors and rng.random() < 0.4:
        dims = rng.choice(tensors).dims
        if dims and rng.random() < 0.7:
            dims[rng.randrange(len(dims))] = rng.choice(SIZES)
        else:
            dims.append(rng.choice(SIZES))
    elif values:
        chosen = rng.choice(values)
        if chosen and rng.random() < 0.7:
            dim = chosen[rng.randrange(len(chosen))]
            if rng.random() < 0.2:
                dim.dim_param = "n"
            else:
                dim.dim_value = rng.choice(SIZES)
        elif chosen and rng.random() < 0.5:
            del chosen[rng.randrange(len(chosen))]
        else:
            chosen.add().dim_value = rng.choice(SIZES)


def _type(model: onnx.ModelProto, rng: Random) -> None:
    """The element type of a declared value or of a constant."""
    values = [v.type.tensor_type for v in (*model.graph.input, *model.graph.output, *model.graph.value_info)]
    kind = rng.randrange(28)
    if model.graph.initializer and rng.random() < 0.4:
        rng.choice(model.graph.initializer).data_type = kind
    elif values:
        rng.choice(values).elem_type = kind


def _attribute(model: onnx.ModelProto, rng: Random) -> None:
    """A value, the type or the name of an attribute."""
    attributes = [attribute for node in _nodes(model) for attribute in node.attribute]
    if not attributes:
        return
    attribute = rng.choice(attributes)
    kind = rng.randrange(6)
    if kind == 0:
        attribute.name = rng.choice([other.name for other in attributes])
    elif kind == 1:
        attribute.type = rng.randrange(15)
    elif attribute.ints:
        if rng.random() < 0.7:
            attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(INTEGERS)
        else:
            attribute.ints.append(rng.choice(INTEGERS))
    elif attribute.HasField("i"):
        attribute.i = rng.choice(INTEGERS)
    elif attribute.HasField("f"):
        attribute.f = rng.choice(FLOATS)
    elif attribute.HasField("s"):
        attribute.s = rng.choice((b"", b"SAME_UPPER", b"VALID", b"linear", b"\xff\xfe", b"i,j->ij"))


def _wiring(model: onnx.ModelProto, rng: Random) -> None:
    """What a node reads or makes: also cycles, and names that nothing makes."""
    nodes = _nodes(model)
    if not nodes:
        return
    names = rng.choice(nodes)
    ends = names.input if rng.random() < 0.7 else names.output
    kind = rng.randrange(4)
    if ends and kind == 0:
        del ends[rng.randrange(len(ends))]
    elif ends and kind < 3:
        ends[rng.randrange(len(ends))] = rng.choice([*_names(model), "", "nothing"])
    else:
        ends.append(rng.choice(_names(model)))


def _operator(model: onnx.ModelProto, rng: Random) -> None:
    """Another operator, or one more node of an operator that is there."""
    nodes = _nodes(model)
    if not nodes:
        return
    node = rng.choice(nodes)
    if rng.random() < 0.7:
        node.op_type = rng.choice(OPERATORS)
    else:
        copy = model.graph.node.add()
        copy.CopyFrom(node)
        for index in range(len(copy.output)):
            copy.output[index] += "_again"
        copy.op_type = rng.choice(OPERATORS)


def _opset(model: onnx.ModelProto, rng: Random) -> None:
    """The version, or the domain, of the operators."""
    if model.opset_import:
        entry = rng.choice(model.opset_import)
        entry.version = rng.choice((0, 1, 6, 7, 8, 9, 10, 11, 12, 13, 17, 18, 21, 23, 28, 29, 1 << 40, -1))


def _constant(model: onnx.ModelProto, rng: Random) -> None:
    """What a constant holds: zeros for scales, NaN for weights, large numbers for sizes."""
    graph = model.graph
    tensors = [*graph.initializer, *(a.t for n in _nodes(model) for a in n.attribute if a.HasField("t"))]
    if not tensors:
        _promote(model, rng)
        return
    tensor = rng.choice(tensors)
    if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.raw_data) >= 4:
        place = 4 * rng.randrange(len(tensor.raw_data) // 4)
        packed = struct.pack("<f", rng.choice(FLOATS))
    elif tensor.data_type == onnx.TensorProto.INT64 and len(tensor.raw_data) >= 8:
        place = 8 * rng.randrange(len(tensor.raw_data) // 8)
        packed = struct.pack("<q", rng.choice(INTEGERS))
    else:
        tensor.raw_data = rng.randbytes(rng.choice((0, 1, 4, 8, 64)))
        return
    raw = tensor.raw_data
    tensor.raw_data = raw[:place] + packed + raw[place + len(packed) :]


def _promote(model: onnx.ModelProto, rng: Random) -> None:
    """An input becomes a constant of its type: shapes, axes and loop counts are what files state."""
    inputs = list(model.graph.input)
    if not inputs:
        return
    value = rng.choice(inputs)
    kind = value.type.tensor_type
    dims = [dim.dim_value for dim in kind.shape.dim]
    count = math.prod(dims) if all(0 <= size < 64 for size in dims) else 1
    tensor = onnx.TensorProto(name=value.name, data_type=kind.elem_type, dims=dims)
    if kind.elem_type == onnx.TensorProto.INT64 and count < 1024:
        tensor.raw_data = b"".join(struct.pack("<q", rng.choice((*INTEGERS, 1, 2, 3))) for _ in range(count))
    elif kind.elem_type == onnx.TensorProto.FLOAT and count < 1024:
        tensor.raw_data = b"".join(struct.pack("<f", rng.choice((*FLOATS, 1, 2, 3))) for _ in range(count))
    else:
        return
    model.graph.initializer.append(tensor)
    model.graph.input.remove(value)


def _nest(model: onnx.ModelProto, rng: Random) -> None:
    """The graph inside a branch or a loop of itself."""
    node = onnx.NodeProto(op_type=rng.choice(("If", "Loop", "Scan")), name="nest")
    inner = onnx.GraphProto()
    inner.CopyFrom(model.graph)
    for name in ("then_branch", "else_branch") if node.op_type == "If" else ("body",):
        attribute = node.attribute.add(name=name, type=onnx.AttributeProto.GRAPH)
        attribute.g.CopyFrom(inner)
    if node.op_type == "Scan":
        node.attribute.add(name="num_scan_inputs", type=onnx.AttributeProto.INT, i=rng.choice((0, 1, 2)))
    names = _names(model)
    node.input.extend(rng.choice(names) for _ in range(rng.randint(1, 3)))
    node.output.append("nested")
    model.graph.node.append(node)
    if rng.random() < 0.5 and model.graph.output:
        model.graph.output[0].name = "nested"


def _external(model: onnx.ModelProto, rng: Random) -> None:
    """A constant that is said to be in another file."""
    if not model.graph.initializer:
        return
    tensor = rng.choice(model.graph.initializer)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key in ("location", "offset", "length"):
        tensor.external_data.add(key=key, value=rng.choice((*TEXTS, "0", "-1", "9" * 30, "/etc/passwd")))


OPERATORS = sorted({schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == ""})
AIMED: tuple[Callable[[onnx.ModelProto, Random], None], ...] = (
    _dims, _dims, _type, _attribute, _attribute, _wiring, _operator, _opset, _constant, _constant, _promote,
    _nest, _external,
)  # fmt: skip

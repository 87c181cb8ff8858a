"""What a module says about itself: the `fleet.meta` section, and the shape of a Wasm file.

A module is a core WebAssembly file and nothing more; `protocol.wasm` reads its shape without an engine,
so that a controller can inspect it and a device can refuse it before compiling anything.
"""

from collections.abc import Iterator
from math import prod
from typing import Annotated, Any, Self

from pydantic import Field

from protocol.message import Key, Many, Message, Name, Real, Text, Uint, Version, Word
from protocol.wasm import (
    DATA_COUNT,
    ELEMENT,
    I32,
    SECTION_NAMES,
    START,
    TAG,
    Global,
    ModuleError,
    Outline,
    Section,
    outline,
    sections,
)

__all__ = [
    "ABI",
    "ABI_MAJOR",
    "ABI_MINOR",
    "DTYPE_BYTES",
    "META_SECTION",
    "LayerMeta",
    "ModuleError",
    "ModuleMeta",
    "Region",
    "Section",
    "TensorMeta",
    "WeightMeta",
    "check",
    "exports",
    "memory_pages",
    "read_meta",
    "sections",
]

META_SECTION = "fleet.meta"
WEIGHTS_SECTION = "fleet.weights"
WEIGHTS_ALIGNMENT = 16
"""Weights begin at the first multiple of it in the file, from the section's contents on."""
HEAP_BASE, DATA_END = "__heap_base", "__data_end"
"""Globals that target `mcu` exports: where its linear memory ends, and where what has a place in it does."""
HOST_MODULE = "fleet"
HOST_FUNCTIONS = {
    "weights_read": 3,
    "fleet_add_f32": 4, "fleet_add_s8": 4, "fleet_average_pool_f32": 3, "fleet_average_pool_s8": 3,
    "fleet_clip_f32": 3, "fleet_conv_f32": 5, "fleet_conv_s8": 7, "fleet_copy": 3,
    "fleet_depthwise_conv_f32": 5, "fleet_depthwise_conv_s8": 7, "fleet_dequantize_s8_f32": 3,
    "fleet_div_f32": 4, "fleet_hard_sigmoid_f32": 3, "fleet_hard_swish_f32": 3, "fleet_matmul_f32": 5,
    "fleet_matmul_s8": 7, "fleet_max_pool_f32": 3, "fleet_max_pool_s8": 3, "fleet_mul_f32": 4,
    "fleet_mul_s8": 4, "fleet_quantize_f32_s8": 3, "fleet_sigmoid_f32": 3, "fleet_softmax_f32": 3,
    "fleet_softmax_s8": 4, "fleet_strided_copy": 3, "fleet_sub_f32": 4, "fleet_table_s8": 4,
}  # fmt: skip
"""What modules of target `mcu` may import, and how many i32 each takes: `modules/abi/fleet_host.h`."""
NAME_SECTION = "name"
MAX_NAME_SECTION = 1 << 20
PAGE = 65536
MAX_PAGES = 65536
MAX_READS = 256
"""Most sources of a layer that its metadata name."""
MOST_NAMED = 3
"""Most of them whose shapes an error tells."""
ABI_MAJOR, ABI_MINOR = 1, 0
ABI = ABI_MAJOR << 16 | ABI_MINOR
FUNCTIONS = {
    "fleet_abi": (0, 1), "input": (1, 1), "output": (1, 1), "run": (0, 1), "layers": (0, 1),
    "run_layer": (1, 1), "reset": (0, 0), "output_dims": (1, 1),
}  # fmt: skip
"""Functions of the ABI: how many i32 each takes and gives."""
REQUIRED_EXPORTS = frozenset({"memory", "fleet_layer", *FUNCTIONS} - {"reset", "output_dims"})

Int32 = Annotated[int, Field(ge=-(1 << 31), lt=1 << 31)]
Shape = Annotated[Many[Uint], Field(max_length=32)]

DTYPE_BYTES = {
    "bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4,
    "int64": 8, "uint64": 8, "float16": 2, "float32": 4, "float64": 8,
}  # fmt: skip


class TensorMeta(Message):
    """An input or output. With a scale, people see float32 and the module holds `dtype`."""

    name: Annotated[Text, Key(1)]
    dtype: Annotated[Word, Key(2)]
    shape: Annotated[Shape, Key(3)]
    scale: Annotated[Real | None, Key(4)] = None
    zero_point: Annotated[Int32 | None, Key(5)] = None
    labels: Annotated[Many[Text] | None, Key(6)] = None

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size of the buffer in the module, bytes."""
        return self.elements * DTYPE_BYTES[self.dtype]


class Region(Message):
    """A block of linear memory."""

    offset: Annotated[Uint, Key(1)]
    size: Annotated[Uint, Key(2)]


class WeightMeta(Message):
    """Weights of a layer as they are packed for its kernel, padding included."""

    offset: Annotated[Uint, Key(1)]
    size: Annotated[Uint, Key(2)]
    dtype: Annotated[Word | None, Key(3)] = None
    """Left out where it is the layer's."""


class LayerMeta(Message):
    """One step that `run_layer` runs: what it is, what it costs, where its output lies."""

    name: Annotated[Text, Key(1)]
    """The ONNX node's name, verbatim."""
    op: Annotated[Text, Key(2)]
    """ONNX operator type."""
    detail: Annotated[Text, Key(3)]
    """One readable line, for example `Conv 3x3 4->32`."""
    dtype: Annotated[Word, Key(4)]
    shape: Annotated[Shape, Key(5)]
    macs: Annotated[Uint, Key(6)]
    weight_bytes: Annotated[Uint, Key(7)]
    offset: Annotated[Uint, Key(8)]
    """Address of the output in linear memory, bytes."""
    reads: Annotated[Annotated[Many[Int32], Field(max_length=MAX_READS)] | None, Key(10)] = None
    """What it reads, in ONNX's order: i is the output of layer i, -1 - i input i of the model."""
    scratch: Annotated[Region | None, Key(11)] = None
    """Memory that it needs while it runs."""
    weights: Annotated[WeightMeta | None, Key(12)] = None
    order: Annotated[Shape | None, Key(13)] = None
    """Dimensions of the output as they lie in memory, outermost first; left out where they are ONNX's."""

    @property
    def size(self) -> int:
        """Bytes of the output."""
        return prod(self.shape) * DTYPE_BYTES[self.dtype]

    @property
    def weights_dtype(self) -> str:
        """Element type of the weights, or of the output where there are none."""
        return (self.weights and self.weights.dtype) or self.dtype


_LAYERS = 7
_REPEATED = frozenset({2, 4, 5})
"""Keys of a layer that it leaves out where the layer before has the same: operator, element type, shape."""


def _complete(layers: list[object]) -> Iterator[object]:
    repeated: dict[object, object] = {}
    for layer in layers:
        if not isinstance(layer, dict):
            yield layer
            continue
        repeated |= {key: item for key, item in layer.items() if key in _REPEATED}
        yield repeated | layer


class ModuleMeta(Message):
    """The `fleet.meta` custom section."""

    name: Annotated[Name, Key(1)]
    version: Annotated[Version, Key(2)]
    target: Annotated[Name, Key(3)]
    abi: Annotated[Uint, Key(4)]
    inputs: Annotated[Many[TensorMeta], Key(5)]
    outputs: Annotated[Many[TensorMeta], Key(6)]
    layers: Annotated[Many[LayerMeta], Key(7)]
    arena: Annotated[Region, Key(8)]
    arena_bound: Annotated[Uint, Key(9)]
    """The least any plan could need, bytes."""
    memory: Annotated[Uint, Key(10)]
    """Linear memory, bytes; initial and maximum size are the same."""
    state: Annotated[Region | None, Key(11)] = None
    provenance: Annotated[dict[Text, Text], Field(max_length=64), Key(12)] = {}

    def to_wire(self) -> dict[int | str, Any]:
        """The document under its wire keys; what a layer shares with the one before it is left out."""
        wire = super().to_wire()
        before: dict[int | str, Any] = {}
        for index, layer in enumerate(wire[_LAYERS]):
            wire[_LAYERS][index] = {
                key: value for key, value in layer.items() if key not in _REPEATED or before.get(key) != value
            }
            before = layer
        return wire

    @classmethod
    def from_wire(cls, value: object) -> Self:
        """As of every message; a layer has what it leaves out from the one before it."""
        layers = value.get(_LAYERS) if isinstance(value, dict) else None
        if isinstance(value, dict) and isinstance(layers, list):
            value = value | {_LAYERS: list(_complete(layers))}
        return super().from_wire(value)

    def describe_layer(self, index: int) -> str:
        """How every error names a layer.

        `conv_12 (/features/3/conv, Conv 1x1 96->24) 1x96x7x7 -> 1x24x7x7`.
        """
        if not 0 <= index < len(self.layers):
            return f"layer {index}"
        layer = self.layers[index]
        shapes = [_sizes(source.shape) for source in self.sources(layer)]
        if len(shapes) > MOST_NAMED:
            shapes[MOST_NAMED:] = [f"{len(shapes) - MOST_NAMED} more"]
        given = f"{' and '.join(shapes)} " if shapes else ""
        return f"{layer.op.lower()}_{index} ({layer.name}, {layer.detail}) {given}-> {_sizes(layer.shape)}"

    def sources(self, layer: LayerMeta) -> "list[LayerMeta | TensorMeta]":
        """The layers and inputs that a layer reads."""
        numbers = [n for n in layer.reads or () if -len(self.inputs) <= n < len(self.layers)]
        return [self.layers[n] if n >= 0 else self.inputs[-1 - n] for n in numbers]


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def exports(wasm: bytes) -> dict[str, int]:
    """Exported names and their kinds (0 function, 1 table, 2 memory, 3 global).

    Raises:
        ModuleError: the file is malformed.
    """
    return {name: export.kind for name, export in outline(wasm).exports}


def memory_pages(wasm: bytes) -> tuple[int, int | None]:
    """Initial and maximum pages (64 KiB each) of the module's own memory.

    Raises:
        ModuleError: the file is malformed, or has no memory or several.
    """
    return _only_memory(outline(wasm))


def _only_memory(shape: Outline) -> tuple[int, int | None]:
    if len(shape.memories) != 1:
        raise ModuleError(f"module must have one memory of its own, not {len(shape.memories)}")
    return shape.memories[0]


def read_meta(wasm: bytes) -> ModuleMeta:
    """The module's metadata.

    Raises:
        ModuleError: not a Wasm file, or one without `fleet.meta`, or with two.
        CborError: the section is not deterministic CBOR.
        MessageError: the section is not the document it should be.
    """
    return _meta(wasm, Outline(tuple(sections(wasm))))


def _meta(wasm: bytes, shape: Outline) -> ModuleMeta:
    section = shape.custom(META_SECTION)
    if section is None:
        raise ModuleError(
            "WebAssembly file has no fleet.meta section",
            remedy="give a module made by fleet build; other Wasm files cannot be deployed",
        )
    return ModuleMeta.decode(wasm[section.start : section.end])


def check(wasm: bytes) -> ModuleMeta:
    """Everything that can be known about a module before an engine compiles it.

    Returns:
        The metadata, which is then consistent with the file.

    Raises:
        ModuleError: a section, import or export that has no place in a module of its target, or one
            that is missing; a memory that may grow; an ABI of another major version; metadata that
            do not agree with the file or with themselves.
        CborError: the metadata are not deterministic CBOR.
        MessageError: the metadata are not the document they should be.
    """
    shape = outline(wasm)
    meta = _meta(wasm, shape)
    for problem in (
        *_section_problems(meta, shape),
        *_export_problems(meta, shape),
        *_memory_problems(meta, shape),
        *_tensor_problems(meta),
        *_layer_problems(meta),
    ):
        raise ModuleError(f"module {meta.name} {problem}")
    return meta


def _section_problems(meta: ModuleMeta, shape: Outline) -> Iterator[str]:
    for section in shape.sections:
        # Calls are direct and nothing runs before the host asks; the data count is newer than Wasm 1.0.
        newer = section.id == DATA_COUNT and meta.target not in ("simd", "relaxed")
        if section.id in (START, ELEMENT, TAG) or newer:
            yield f"has a {SECTION_NAMES[section.id]} section"
        if section.name == NAME_SECTION and section.end - section.start > MAX_NAME_SECTION:
            yield f"has a name section of more than {MAX_NAME_SECTION} bytes"
    # The linker always makes a table of one empty element; a larger one would only take memory.
    if any(maximum is None or maximum > 1 for _, maximum in shape.tables) or len(shape.tables) > 1:
        yield "has a table that it cannot need"
    for name in (NAME_SECTION, WEIGHTS_SECTION):
        shape.custom(name)
    yield from _import_problems(meta, shape)


def _import_problems(meta: ModuleMeta, shape: Outline) -> Iterator[str]:
    if shape.imports and meta.target != "mcu":
        yield f"for target {meta.target} must not import anything"
    if len(set(shape.imports)) != len(shape.imports):
        yield "imports a function twice"
    for module, name, kind in shape.imports:
        count = HOST_FUNCTIONS.get(name)
        if module != HOST_MODULE or count is None:
            yield f"imports {module}.{name}, which no host has"
        elif kind >= len(shape.types) or shape.types[kind] != (bytes([I32] * count), b""):
            yield f"imports {name} with another type than {count} i32 to nothing"


def _export_problems(meta: ModuleMeta, shape: Outline) -> Iterator[str]:
    found = dict(shape.exports)
    if len(found) != len(shape.exports):
        yield "exports a name twice"
    missing = REQUIRED_EXPORTS - found.keys() | ({"reset"} if meta.state else set()) - found.keys()
    if missing:
        yield f"lacks the exports {', '.join(sorted(missing))}"
        return
    for name, (parameters, results) in FUNCTIONS.items():
        export = found.get(name)
        if export is not None and (
            export.kind != 0
            or shape.function_type(export.number) != (bytes([I32] * parameters), bytes([I32] * results))
        ):
            yield f"exports {name} with another type than {parameters} to {results} i32"
    if found["memory"] != (2, 0):
        yield "exports something else as its memory"
    layer = _exported_global(shape, "fleet_layer")
    if layer is None or (layer.type, layer.mutable) != (I32, True):
        yield "exports fleet_layer, but not as a mutable i32"
    if meta.target == "mcu":
        ends = [_exported_global(shape, name) for name in (HEAP_BASE, DATA_END)]
        if not all(end is not None and (end.type, end.mutable) == (I32, False) for end in ends):
            yield f"lacks the globals {HEAP_BASE} and {DATA_END}, by which a board knows what memory it needs"


def _exported_global(shape: Outline, name: str) -> Global | None:
    kind, number = dict(shape.exports).get(name, (0, 0))
    return shape.globals[number] if kind == 3 and number < len(shape.globals) else None


def _memory_problems(meta: ModuleMeta, shape: Outline) -> Iterator[str]:
    if meta.abi >> 16 != ABI_MAJOR:
        yield f"needs module ABI {meta.abi >> 16}.x, this is {ABI_MAJOR}.{ABI_MINOR}"
    initial, maximum = _only_memory(shape)
    size = initial * PAGE
    if meta.target == "mcu" and (end := _exported_global(shape, HEAP_BASE)) is not None:
        # A board gives it no more than that.
        size = end.value if 0 < end.value <= size else 0
    if maximum != initial or size != meta.memory or initial > MAX_PAGES:
        yield f"declares {meta.memory} bytes of memory but may use more"
    blocks = [region for region in (meta.arena, meta.state) if region] + list(_layer_blocks(meta))
    if any(block.offset + block.size > meta.memory for block in blocks):
        yield "places a buffer outside its memory"
    arena, state = meta.arena, meta.state
    if state and state.offset < arena.offset + arena.size and arena.offset < state.offset + state.size:
        yield "has its state inside its arena"


def _layer_blocks(meta: ModuleMeta) -> Iterator[LayerMeta | Region | WeightMeta]:
    for layer in meta.layers:
        if layer.dtype in DTYPE_BYTES:
            yield layer
        # Of target mcu the weights lie in a section of their own.
        yield from filter(None, (layer.scratch, layer.weights if meta.target != "mcu" else None))


def _tensor_problems(meta: ModuleMeta) -> Iterator[str]:
    for tensors, what in ((meta.inputs, "inputs"), (meta.outputs, "outputs")):
        if len({tensor.name for tensor in tensors}) != len(tensors):
            yield f"has two {what} of one name"
    for tensor in (*meta.inputs, *meta.outputs):
        if tensor.dtype not in DTYPE_BYTES:
            yield f"has the tensor {tensor.name} of unknown type {tensor.dtype}"
        elif tensor.nbytes > meta.memory:
            yield f"has the tensor {tensor.name}, larger than its memory"
        scale = tensor.scale
        if (scale is None) != (tensor.zero_point is None) or (scale is not None and scale <= 0):
            yield f"has the tensor {tensor.name} with a scale or zero point that cannot be"


def _layer_problems(meta: ModuleMeta) -> Iterator[str]:
    for layer in meta.layers:
        if layer.dtype not in DTYPE_BYTES or layer.weights_dtype not in DTYPE_BYTES:
            yield f"has the layer {layer.name} of unknown type"
        known = range(-len(meta.inputs), len(meta.layers))
        if any(number not in known for number in layer.reads or ()):
            yield f"has the layer {layer.name}, which reads what there is not"
        if layer.order is not None and sorted(layer.order) != list(range(len(layer.shape))):
            yield f"has the layer {layer.name} in an order of dimensions that cannot be"

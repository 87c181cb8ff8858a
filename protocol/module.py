"""What a module says about itself: the `fleet.meta` section, and the shape of a Wasm file.

A module is a core WebAssembly file and nothing more; this file reads its sections without an engine,
so that a controller can inspect it and a device can refuse it before compiling anything.
"""

from collections.abc import Iterator
from typing import Annotated, NamedTuple

from pydantic import Field

from protocol.errors import InputError
from protocol.message import Key, Many, Message, Name, Real, Text, Uint, Version, Word

META_SECTION = "fleet.meta"
WEIGHTS_SECTION = "fleet.weights"
PAGE = 65536
ABI_MAJOR, ABI_MINOR = 1, 0
ABI = ABI_MAJOR << 16 | ABI_MINOR
REQUIRED_EXPORTS = frozenset(
    {"memory", "fleet_abi", "input", "output", "run", "layers", "run_layer", "fleet_layer"}
)

Int32 = Annotated[int, Field(ge=-(1 << 31), lt=1 << 31)]
Shape = Annotated[Many[Uint], Field(max_length=32)]

DTYPE_BYTES = {
    "bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4,
    "int64": 8, "uint64": 8, "float32": 4, "float64": 8,
}  # fmt: skip


class ModuleError(InputError):
    """A file that is not a module this system made, or not a sound one."""


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
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def nbytes(self) -> int:
        """Size of the buffer in the module, bytes."""
        return self.elements * DTYPE_BYTES[self.dtype]


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
    size: Annotated[Uint, Key(9)]
    """Bytes of the output."""


class Region(Message):
    """A block of linear memory."""

    offset: Annotated[Uint, Key(1)]
    size: Annotated[Uint, Key(2)]


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

    def describe_layer(self, index: int) -> str:
        """How every error names a layer: `conv_12 (/features/3/conv, Conv 1x1 96->24)`."""
        if not 0 <= index < len(self.layers):
            return f"layer {index}"
        layer = self.layers[index]
        return f"{layer.op.lower()}_{index} ({layer.name}, {layer.detail})"


class Section(NamedTuple):
    """One section: its id, its name if custom, and where its contents are in the file."""

    id: int
    name: str
    start: int
    """First byte of the contents; for a custom section, the byte after its name."""
    end: int


def _leb(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Read an unsigned LEB128 of at most 32 bits: (value, next position)."""
    value = 0
    for shift in range(0, 35, 7):
        if position >= end:
            raise ModuleError("Wasm file is truncated", where=f"byte {position}")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            if value >> 32:
                break
            return value, position
    raise ModuleError("Wasm integer is too long", where=f"byte {position}")


def sections(wasm: bytes) -> Iterator[Section]:
    """Walk the sections in file order.

    Raises:
        ModuleError: wrong magic or version, or sections that do not add up to the file.
    """
    if wasm[:4] != b"\0asm":
        raise ModuleError(
            f"not a WebAssembly file: it starts with {wasm[:4].hex(' ') or 'nothing'}, not 00 61 73 6d",
            remedy="give a .wasm file made by fleet build",
        )
    if wasm[4:8] != b"\1\0\0\0":
        raise ModuleError("not a core WebAssembly module of version 1")
    position = 8
    while position < len(wasm):
        kind = wasm[position]
        size, start = _leb(wasm, position + 1, len(wasm))
        end = start + size
        if end > len(wasm):
            raise ModuleError("Wasm section is longer than the file", where=f"byte {position}")
        name = ""
        if kind == 0:
            name, start = _name(wasm, start, end)
        yield Section(kind, name, start, end)
        position = end


def _name(wasm: bytes, position: int, end: int) -> tuple[str, int]:
    length, start = _leb(wasm, position, end)
    if start + length > end:
        raise ModuleError("Wasm name is longer than its section", where=f"byte {position}")
    try:
        return wasm[start : start + length].decode(), start + length
    except UnicodeDecodeError as error:
        raise ModuleError("Wasm name is not UTF-8", where=f"byte {start}") from error


def custom_section(wasm: bytes, name: str) -> bytes | None:
    """Contents of the first custom section called `name`, or None."""
    for section in sections(wasm):
        if section.id == 0 and section.name == name:
            return wasm[section.start : section.end]
    return None


def exports(wasm: bytes) -> dict[str, int]:
    """Exported names and their kinds (0 function, 1 table, 2 memory, 3 global)."""
    found = {}
    for section in sections(wasm):
        if section.id == 7:
            count, position = _leb(wasm, section.start, section.end)
            for _ in range(count):
                name, position = _name(wasm, position, section.end)
                if position >= section.end:
                    raise ModuleError("Wasm export section is truncated")
                found[name] = wasm[position]
                _, position = _leb(wasm, position + 1, section.end)
    return found


def has_imports(wasm: bytes) -> bool:
    """Whether the module imports anything."""
    return any(s.id == 2 and _leb(wasm, s.start, s.end)[0] > 0 for s in sections(wasm))


def memory_pages(wasm: bytes) -> tuple[int, int | None]:
    """Initial and maximum pages (64 KiB each) of the module's own memory.

    Raises:
        ModuleError: the module has no memory of its own.
    """
    for section in sections(wasm):
        if section.id == 5:
            count, position = _leb(wasm, section.start, section.end)
            flags, position = _leb(wasm, position, section.end)
            if count != 1 or flags > 1:
                raise ModuleError("module must have exactly one unshared 32-bit memory")
            initial, position = _leb(wasm, position, section.end)
            return initial, _leb(wasm, position, section.end)[0] if flags else None
    raise ModuleError("module has no memory")


def read_meta(wasm: bytes) -> ModuleMeta:
    """The module's metadata.

    Raises:
        ModuleError: not a Wasm file, or one without `fleet.meta`.
        CborError: the section is not deterministic CBOR.
        MessageError: the section is not the document it should be.
    """
    raw = custom_section(wasm, META_SECTION)
    if raw is None:
        raise ModuleError(
            "WebAssembly file has no fleet.meta section",
            remedy="give a module made by fleet build; other Wasm files cannot be deployed",
        )
    return ModuleMeta.decode(raw)


def check(wasm: bytes) -> ModuleMeta:
    """Everything that can be known about a module before an engine compiles it.

    Returns:
        The metadata, which is then consistent with the file.

    Raises:
        ModuleError: a missing export, an import, a memory that may grow, an ABI of another major
            version, or a metadata section that does not agree with the file.
    """
    meta = read_meta(wasm)
    missing = REQUIRED_EXPORTS - exports(wasm).keys()
    if missing:
        raise ModuleError(f"module {meta.name} lacks the exports {', '.join(sorted(missing))}")
    if meta.target != "mcu" and has_imports(wasm):
        raise ModuleError(f"module {meta.name} for target {meta.target} must not import anything")
    if meta.abi >> 16 != ABI_MAJOR:
        raise ModuleError(
            f"module {meta.name} needs module ABI {meta.abi >> 16}.x, this is {ABI_MAJOR}.{ABI_MINOR}"
        )
    initial, maximum = memory_pages(wasm)
    if maximum != initial or initial * PAGE != meta.memory:
        raise ModuleError(f"module {meta.name} declares {meta.memory} bytes of memory but may use more")
    for tensor in (*meta.inputs, *meta.outputs):
        if tensor.dtype not in DTYPE_BYTES:
            raise ModuleError(f"module {meta.name}: tensor {tensor.name} has unknown type {tensor.dtype}")
    for region in (meta.arena, meta.state, *(Region(offset=x.offset, size=x.size) for x in meta.layers)):
        if region is not None and region.offset + region.size > meta.memory:
            raise ModuleError(f"module {meta.name} places a buffer outside its memory")
    return meta

"""The shape of a WebAssembly file, read without an engine (WebAssembly Core Specification 5.5).

Only what a module of ours may contain is read, and every count is bounded before it is believed, so
that a hostile file of any size is refused in milliseconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from protocol.errors import InputError

CUSTOM, TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEMENT, CODE, DATA = range(12)
DATA_COUNT, TAG = 12, 13
SECTION_NAMES = (
    "custom", "type", "import", "function", "table", "memory", "global", "export", "start", "element",
    "code", "data", "data count", "tag",
)  # fmt: skip
_ORDER = (TYPE, IMPORT, FUNCTION, TABLE, MEMORY, TAG, GLOBAL, EXPORT, START, ELEMENT, DATA_COUNT, CODE, DATA)

I32 = 0x7F
_TYPES = frozenset({0x7F, 0x7E, 0x7D, 0x7C, 0x7B})
"""i32, i64, f32, f64, v128."""

MAX_SECTIONS = 64
MAX_NAME = 1024
MAX_ENTRIES = 16384
"""Most types, imports, functions, globals or exports."""


class ModuleError(InputError):
    """A file that is not a module this system made, or not a sound one."""


class Section(NamedTuple):
    """One section: its id, its name if custom, and where its contents are in the file."""

    id: int
    name: str
    start: int
    """First byte of the contents; for a custom section, the byte after its name."""
    end: int


class Import(NamedTuple):
    """A function that a module asks of its host, and the index of its type."""

    module: str
    name: str
    type: int


class Global(NamedTuple):
    """A global of the module's own: an integer, and what it starts with."""

    type: int
    mutable: bool
    value: int


class Export(NamedTuple):
    """What a module offers: kind (0 function, 1 table, 2 memory, 3 global) and number among its kind."""

    kind: int
    number: int


@dataclass(frozen=True)
class Outline:
    """What a file declares before its code.

    Attributes:
        sections: All, in file order.
        types: Function types, as (parameters, results), a byte for each value.
        imports: In order.
        functions: For each of the module's own functions the index of its type.
        tables: For each table of functions its initial and maximum number of elements.
        memories: For each of the module's own memories initial and maximum pages of 64 KiB.
        globals: The module's own.
        exports: By name.
    """

    sections: tuple[Section, ...]
    types: tuple[tuple[bytes, bytes], ...] = ()
    imports: tuple[Import, ...] = ()
    functions: tuple[int, ...] = ()
    tables: tuple[tuple[int, int | None], ...] = ()
    memories: tuple[tuple[int, int | None], ...] = ()
    globals: tuple[Global, ...] = ()
    exports: tuple[tuple[str, Export], ...] = ()

    def custom(self, name: str) -> Section | None:
        """The custom section of a name.

        Raises:
            ModuleError: there are two.
        """
        found = [section for section in self.sections if section.id == CUSTOM and section.name == name]
        if len(found) > 1:
            raise ModuleError(f"Wasm file has {len(found)} sections {name}")
        return found[0] if found else None

    def function_type(self, index: int) -> tuple[bytes, bytes] | None:
        """Type of the function of an index, or None where it is imported or does not exist."""
        own = index - len(self.imports)
        if not 0 <= own < len(self.functions) or self.functions[own] >= len(self.types):
            return None
        return self.types[self.functions[own]]


class _Reader:
    """Reads one stretch of the file."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self.data = data
        self.position = start
        self.end = end

    def byte(self) -> int:
        if self.position >= self.end:
            raise ModuleError("Wasm file is truncated", where=f"byte {self.position}")
        self.position += 1
        return self.data[self.position - 1]

    def u32(self) -> int:
        """An unsigned LEB128 of at most 32 bits and five bytes."""
        value = 0
        for shift in range(0, 35, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >> 32:
                    break
                return value
        raise ModuleError("Wasm integer is too long", where=f"byte {self.position}")

    def take(self, count: int) -> bytes:
        if count > self.end - self.position:
            raise ModuleError("Wasm file is truncated", where=f"byte {self.position}")
        self.position += count
        return self.data[self.position - count : self.position]

    def name(self) -> str:
        length = self.u32()
        if length > MAX_NAME:
            raise ModuleError(
                f"Wasm name of {length} bytes is longer than {MAX_NAME}", where=f"byte {self.position}"
            )
        try:
            return self.take(length).decode()
        except UnicodeDecodeError as error:
            raise ModuleError("Wasm name is not UTF-8", where=f"byte {self.position}") from error

    def count(self) -> int:
        count = self.u32()
        if count > MAX_ENTRIES:
            raise ModuleError(
                f"Wasm section has {count} entries, more than {MAX_ENTRIES}", where=f"byte {self.position}"
            )
        return count

    def limits(self) -> tuple[int, int | None]:
        flags = self.byte()
        if flags > 1:
            raise ModuleError("Wasm memory or table is shared or 64-bit", where=f"byte {self.position}")
        return self.u32(), self.u32() if flags else None

    def value_types(self) -> bytes:
        types = self.take(self.count())
        if not _TYPES.issuperset(types):
            raise ModuleError("Wasm function takes or gives a reference", where=f"byte {self.position}")
        return types


def sections(wasm: bytes) -> Iterator[Section]:
    """Walk the sections in file order.

    Raises:
        ModuleError: wrong magic or version, sections that do not add up to the file, or that are
            unknown, repeated or out of order; more than `MAX_SECTIONS`.
    """
    if wasm[:4] != b"\0asm":
        raise ModuleError(
            f"not a WebAssembly file: it starts with {wasm[:4].hex(' ') or 'nothing'}, not 00 61 73 6d",
            remedy="give a .wasm file made by fleet build",
        )
    if wasm[4:8] != b"\1\0\0\0":
        raise ModuleError("not a core WebAssembly module of version 1")
    reader = _Reader(wasm, 8, len(wasm))
    rank = -1
    for _ in range(MAX_SECTIONS):
        if reader.position == len(wasm):
            return
        place = f"byte {reader.position}"
        kind, size = reader.byte(), reader.u32()
        start, end = reader.position, reader.position + size
        if end > len(wasm):
            raise ModuleError("Wasm section is longer than the file", where=place)
        name = ""
        if kind == CUSTOM:
            inner = _Reader(wasm, start, end)
            name, start = inner.name(), inner.position
        elif kind not in _ORDER:
            raise ModuleError(f"Wasm section {kind} is unknown", where=place)
        elif _ORDER.index(kind) <= rank:
            raise ModuleError(f"Wasm {SECTION_NAMES[kind]} section is repeated or out of order", where=place)
        else:
            rank = _ORDER.index(kind)
        yield Section(kind, name, start, end)
        reader.position = end
    if reader.position != len(wasm):
        raise ModuleError(f"Wasm file has more than {MAX_SECTIONS} sections")


def outline(wasm: bytes) -> Outline:
    """Read what a file declares.

    Raises:
        ModuleError: it is malformed, or has something that none of our modules needs.
    """
    found = tuple(sections(wasm))
    fields: dict[str, tuple[object, ...]] = {}
    for section in found:
        if section.id in _ENTRIES:
            field, read = _ENTRIES[section.id]
            reader = _Reader(wasm, section.start, section.end)
            fields[field] = tuple(read(reader) for _ in range(reader.count()))
            if reader.position != section.end:
                raise ModuleError(
                    f"Wasm {SECTION_NAMES[section.id]} section is longer than its entries",
                    where=f"byte {reader.position}",
                )
    return Outline(found, **fields)  # type: ignore[arg-type]  # each reader gives its field's type


def _type(reader: _Reader) -> tuple[bytes, bytes]:
    if reader.byte() != 0x60:
        raise ModuleError("Wasm type is not a function's", where=f"byte {reader.position}")
    return reader.value_types(), reader.value_types()


def _import(reader: _Reader) -> Import:
    module, name = reader.name(), reader.name()
    if reader.byte() != 0:
        raise ModuleError(f"Wasm file imports {module}.{name}, which is not a function")
    return Import(module, name, reader.u32())


def _table(reader: _Reader) -> tuple[int, int | None]:
    if reader.byte() != 0x70:
        raise ModuleError("Wasm table is not one of functions", where=f"byte {reader.position}")
    return reader.limits()


def _global(reader: _Reader) -> Global:
    kind, mutable = reader.byte(), reader.byte()
    # An integer constant; the linker makes no other global.
    if kind not in (0x7F, 0x7E) or mutable > 1 or reader.byte() != (0x41 if kind == I32 else 0x42):
        raise ModuleError("Wasm global is not an integer constant", where=f"byte {reader.position}")
    value = 0
    for shift in range(0, 70, 7):
        byte = reader.byte()
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            value -= (byte & 0x40) << shift + 1
            break
    if reader.byte() != 0x0B:
        raise ModuleError("Wasm global is not an integer constant", where=f"byte {reader.position}")
    return Global(kind, bool(mutable), value)


def _export(reader: _Reader) -> tuple[str, Export]:
    return reader.name(), Export(reader.byte(), reader.u32())


_ENTRIES = {
    TYPE: ("types", _type),
    IMPORT: ("imports", _import),
    FUNCTION: ("functions", _Reader.u32),
    TABLE: ("tables", _table),
    MEMORY: ("memories", _Reader.limits),
    GLOBAL: ("globals", _global),
    EXPORT: ("exports", _export),
}

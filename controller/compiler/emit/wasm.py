"""Finishes the linked file: keeps its `name` section, drops the linker's notes, adds `fleet.meta`."""

from controller.compiler.errors import ToolchainError
from protocol.module import META_SECTION, WEIGHTS_ALIGNMENT, WEIGHTS_SECTION, sections
from protocol.wasm import DATA, ELEMENT, GLOBAL, TABLE

_INITIAL_LAYER = b"\x7f\x01\x41\x00\x0b"
"""An i32 global, mutable, initially 0."""


def _leb(value: int) -> bytes:
    encoded = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        encoded.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(encoded)


def _section(kind: int, contents: bytes) -> bytes:
    return bytes([kind]) + _leb(len(contents)) + contents


def finish(wasm: bytes, weights: bytes = b"") -> bytes:
    """The file with no custom section but `name`; `fleet_layer` starts at -1, which C cannot say.

    Args:
        wasm: From the linker.
        weights: Of a target whose kernels are the host's: the contents of `fleet.weights`, from the first
            offset in the file on that is a multiple of 16.
    """
    result, name = bytearray(wasm[:8]), b""
    has_elements = any(section.id == ELEMENT for section in sections(wasm))
    for section in sections(wasm):
        if section.id == 0:
            if section.name == "name":
                name = _section(0, _leb(4) + b"name" + wasm[section.start : section.end])
            continue
        # The linker always writes a table; without elements nothing can be called through it.
        if section.id == TABLE and not has_elements:
            continue
        contents = wasm[section.start : section.end]
        if section.id == GLOBAL:
            if contents.count(_INITIAL_LAYER) != 1:
                raise ToolchainError("the linker wrote other globals than expected", remedy="report this")
            contents = contents.replace(_INITIAL_LAYER, b"\x7f\x01\x41\x7f\x0b")
        result += _section(section.id, contents)
    if weights:
        result += _aligned(len(result), weights)
    return bytes(result) + name


def _aligned(offset: int, weights: bytes) -> bytes:
    """The section `fleet.weights` at an offset in the file."""
    name = _leb(len(WEIGHTS_SECTION)) + WEIGHTS_SECTION.encode()
    # The length of the section is written with it, and may grow by a byte.
    for padding in range(2 * WEIGHTS_ALIGNMENT):
        section = _section(0, name + bytes(padding) + weights)
        if (offset + len(section) - len(weights)) % WEIGHTS_ALIGNMENT == 0:
            return section
    raise ToolchainError("no place is aligned", remedy="report this")


def append_meta(wasm: bytes, meta: bytes) -> bytes:
    """Add the metadata as the last section."""
    name = META_SECTION.encode()
    return wasm + _section(0, _leb(len(name)) + name + meta)


def find_block(wasm: bytes, block: bytes) -> int:
    """Offset in the file of the constants."""
    for section in sections(wasm):
        if section.id == DATA or section.name == WEIGHTS_SECTION:
            place = wasm.find(block, section.start, section.end)
            if place >= 0:
                return place
    raise ToolchainError("the constants are not where they should be", remedy="report this")

"""Breaks functions of a Wasm file: the same file, but one function does nothing but trap."""

from collections.abc import Iterator

from protocol.module import sections
from protocol.wasm import CODE

_TRAP = b"\x00\x00\x0b"
"""No locals; unreachable; end."""


def leb(value: int) -> bytes:
    """Unsigned LEB128."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def _read(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if not byte & 0x80:
            return value, at


def names(wasm: bytes) -> dict[int, str]:
    """Names of functions by index (WebAssembly Core Specification, appendix *Name Section*)."""
    (section,) = (section for section in sections(wasm) if section.name == "name")
    at = section.start
    while at < section.end:
        kind, (size, start) = wasm[at], _read(wasm, at + 1)
        if kind == 1:
            return dict(_name_map(wasm, start))
        at = start + size
    return {}


def _name_map(wasm: bytes, at: int) -> Iterator[tuple[int, str]]:
    count, at = _read(wasm, at)
    for _ in range(count):
        index, at = _read(wasm, at)
        length, at = _read(wasm, at)
        yield index, wasm[at : at + length].decode()
        at += length


def trap_in(wasm: bytes, function: str) -> bytes:
    """The file with that function's body replaced; it must import nothing."""
    (index,) = (index for index, name in names(wasm).items() if name == function)
    at, parts = 8, [wasm[:8]]
    while at < len(wasm):
        kind, (size, start) = wasm[at], _read(wasm, at + 1)
        contents = wasm[start : start + size]
        if kind == CODE:
            contents = _replace(contents, index)
        parts.append(bytes([kind]) + leb(len(contents)) + contents)
        at = start + size
    return b"".join(parts)


def _replace(code: bytes, index: int) -> bytes:
    count, at = _read(code, 0)
    bodies = []
    for _ in range(count):
        size, start = _read(code, at)
        bodies.append(code[start : start + size])
        at = start + size
    bodies[index] = _TRAP
    return leb(count) + b"".join(leb(len(body)) + body for body in bodies)

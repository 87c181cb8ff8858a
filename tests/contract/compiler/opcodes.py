"""Walks the code of a Wasm file, instruction by instruction; knows WebAssembly 1.0 and nothing later."""

from collections.abc import Iterator

from protocol.module import sections

# Immediates by opcode: b block type, i LEB128, m memory argument (two LEB128), 4 and 8 raw bytes,
# t branch table, z a zero byte.
_IMMEDIATES = {
    **dict.fromkeys((0x00, 0x01, 0x05, 0x0B, 0x0F, 0x1A, 0x1B), ""),
    **dict.fromkeys((0x02, 0x03, 0x04), "b"),
    **dict.fromkeys((0x0C, 0x0D, 0x10), "i"),
    0x0E: "t",
    0x11: "iz",
    **dict.fromkeys(range(0x20, 0x25), "i"),
    **dict.fromkeys(range(0x28, 0x3F), "m"),
    **dict.fromkeys((0x3F, 0x40), "z"),
    **dict.fromkeys((0x41, 0x42), "i"),
    0x43: "4",
    0x44: "8",
    **dict.fromkeys(range(0x45, 0xC0), ""),
}


class UnknownOpcode(Exception):  # noqa: N818
    """An instruction or a type that WebAssembly 1.0 does not have."""


def _leb(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if not byte & 0x80:
            return value, at


def instructions(wasm: bytes) -> Iterator[int]:
    """Every opcode of every function.

    Raises:
        UnknownOpcode: At the first that is not in WebAssembly 1.0.
    """
    for section in sections(wasm):
        if section.id == 10:
            count, at = _leb(wasm, section.start)
            for _ in range(count):
                size, at = _leb(wasm, at)
                yield from _body(wasm, at, at + size)
                at += size
            assert at == section.end


def _body(wasm: bytes, at: int, end: int) -> Iterator[int]:
    groups, at = _leb(wasm, at)
    for _ in range(groups):
        _, at = _leb(wasm, at)
        if wasm[at] not in (0x7C, 0x7D, 0x7E, 0x7F):
            raise UnknownOpcode(f"a local of type 0x{wasm[at]:02x} at byte {at}")
        at += 1
    while at < end:
        opcode = wasm[at]
        if opcode not in _IMMEDIATES:
            raise UnknownOpcode(f"0x{opcode:02x} at byte {at}")
        yield opcode
        at = _skip(wasm, at + 1, _IMMEDIATES[opcode])
    assert at == end


def _skip(wasm: bytes, at: int, immediates: str) -> int:
    for kind in immediates:
        if kind == "b":
            assert wasm[at] in (0x40, 0x7C, 0x7D, 0x7E, 0x7F), "a block of several values"
            at += 1
        elif kind == "z":
            assert wasm[at] == 0, "a second table or memory"
            at += 1
        elif kind in "48":
            at += int(kind)
        elif kind == "t":
            count, at = _leb(wasm, at)
            for _ in range(count + 1):
                _, at = _leb(wasm, at)
        else:
            for _ in range(2 if kind == "m" else 1):
                _, at = _leb(wasm, at)
    return at

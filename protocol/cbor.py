"""Deterministic CBOR (RFC 8949 section 4.2.1), and nothing else, in both directions.

Everything signed or hashed goes through here. The decoder accepts exactly the bytes the encoder
writes, so one document has one digest and two parsers cannot read it differently. It is our own, in
one pass, because general decoders accept more than that, and lose the difference on the way: that
between 1, 1.0 and true as a key, for example.

Values are int, bytes, str, list (tuples are written as lists), dict, bool, None and float. The keys
of one map are all integers from -24 to 23, or all texts, or all byte strings: then the order of RFC
8949 and the older one, length first, which `cbor2` and many others write, are the same.
"""

import struct
from typing import Any

import cbor2

from protocol.errors import RefusedError

MAX_DEPTH = 12
MAX_SIZE = 1 << 20

_FLOATS = ((2, ">e"), (4, ">f"), (8, ">d"))
_CANONICAL_NAN = b"\x7e\x00"


class CborError(RefusedError):
    """Bytes that are not deterministic CBOR within our limits, or a value that cannot become that."""


def encode(value: object) -> bytes:
    """Encode `value` deterministically (sorted keys, shortest forms, definite lengths).

    Raises:
        CborError: something in it has no form that `decode` accepts.
    """
    _check_value(value)
    try:
        return cbor2.dumps(value, canonical=True)
    except ValueError as error:
        raise CborError(f"value cannot be written as CBOR: {error}") from error


def decode(data: bytes, *, max_size: int = MAX_SIZE) -> Any:
    """Decode one deterministic CBOR item that fills `data` completely.

    Time and memory are bounded by `max_size`: at most one item for each four bytes of it is
    accepted (and always 4096).

    Args:
        data: The encoded item.
        max_size: The most bytes accepted.

    Raises:
        CborError: too large, too many items, nested deeper than `MAX_DEPTH`, truncated, followed by
            other bytes, tagged, or not in the deterministic form (order of keys, duplicates, long
            integers, long floats, indefinite length).
    """
    if len(data) > max_size:
        raise CborError(f"CBOR document of {len(data)} bytes is larger than the {max_size} allowed")
    reader = _Reader(data, max(4096, max_size // 4))
    value = reader.item(0)
    if reader.position != len(data):
        raise CborError(f"{len(data) - reader.position} bytes follow the CBOR document")
    return value


class _Reader:
    """One pass over a document."""

    def __init__(self, data: bytes, items: int) -> None:
        self.data = data
        self.position = 0
        self.items = items

    def item(self, depth: int) -> Any:
        self.items -= 1
        if self.items < 0:
            raise CborError("CBOR document has too many items")
        major, info, argument = self.head()
        if major < 2:
            return -1 - argument if major else argument
        if major < 4:
            return self.string(major, argument)
        if major < 6:
            return self.container(major, argument, depth)
        if major == 6:
            # Dates, bignums, shared references: no document needs them.
            raise CborError(f"CBOR tag {argument} has no place here")
        return self.simple(info)

    def string(self, major: int, length: int) -> bytes | str:
        value = self.take(length)
        if major == 2:
            return value
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise CborError("CBOR text is not UTF-8") from error

    def container(self, major: int, count: int, depth: int) -> list[Any] | dict[int | str | bytes, Any]:
        if depth == MAX_DEPTH:
            raise CborError(f"CBOR is nested deeper than {MAX_DEPTH}")
        if count * (major - 3) > self.items:
            raise CborError("CBOR container announces more items than the document can hold")
        if major == 5:
            return self.map(count, depth + 1)
        return [self.item(depth + 1) for _ in range(count)]

    def map(self, count: int, depth: int) -> dict[int | str | bytes, Any]:
        result: dict[int | str | bytes, Any] = {}
        kind, last = -1, b""
        for _ in range(count):
            start = self.position
            key = self.item(depth)
            encoded = self.data[start : self.position]
            major = encoded[0] >> 5
            if major > 3 or (major < 2 and len(encoded) > 1):
                raise CborError("CBOR map has a key that is not a small integer, a text or bytes")
            kind = max(major, 1) if kind < 0 else kind
            if max(major, 1) != kind:
                raise CborError("CBOR map has keys of several kinds")
            if encoded <= last:
                raise CborError(f"CBOR map has keys that repeat or are out of order: {key!r:.80}")
            last = encoded
            result[key] = self.item(depth)
        return result

    def simple(self, info: int) -> bool | float | None:
        if 20 <= info <= 22:
            return (False, True, None)[info - 20]
        if info < 25:
            raise CborError("CBOR simple value other than false, true and null")
        width, form = _FLOATS[info - 25]
        encoded = self.data[self.position - width : self.position]
        value: float = struct.unpack(form, encoded)[0]
        if value != value:  # noqa: PLR0124 - NaN
            shortest = encoded == _CANONICAL_NAN
        else:
            shortest = width == 2 or not _fits(value, _FLOATS[info - 26][1])
        if not shortest:
            raise CborError("CBOR float is not in its shortest form")
        return value

    def head(self) -> tuple[int, int, int]:
        """Read one initial byte and its argument: (major type, additional information, argument)."""
        position = self.position
        if position >= len(self.data):
            raise CborError("CBOR document is truncated")
        first = self.data[position]
        major, info = first >> 5, first & 31
        if info < 24:
            self.position = position + 1
            return major, info, info
        if info > 27:
            raise CborError("CBOR of indefinite length is not deterministic")
        width = 1 << (info - 24)
        self.position = position + 1
        argument = int.from_bytes(self.take(width))
        if major != 7 and argument < (24 if width == 1 else 1 << 4 * width):
            raise CborError("CBOR integer or length is not in its shortest form")
        return major, info, argument

    def take(self, count: int) -> bytes:
        start = self.position
        if count > len(self.data) - start:
            raise CborError("CBOR document is truncated: an item is longer than what is left of it")
        self.position = start + count
        return self.data[start : self.position]


def _fits(value: float, form: str) -> bool:
    try:
        return bool(struct.unpack(form, struct.pack(form, value))[0] == value)
    except OverflowError:
        return False


def _check_value(value: object, depth: int = 0) -> None:
    """Refuse what `cbor2` would write and `decode` would not read."""
    match value:
        case None | bool() | float() | str() | bytes():
            return
        case int():
            if not -(1 << 64) <= value < 1 << 64:
                raise CborError(f"integer {value} is too large for CBOR")
        case dict() | list() | tuple():
            if depth == MAX_DEPTH:
                raise CborError(f"value is nested deeper than {MAX_DEPTH}")
            if isinstance(value, dict):
                _check_keys(value)
                value = value.values()
            for item in value:
                _check_value(item, depth + 1)
        case _:
            raise CborError(f"a {type(value).__name__} cannot be written as CBOR")


def _check_keys(value: dict[Any, Any]) -> None:
    kinds = {type(key) for key in value}
    if not (kinds <= {str} or kinds <= {bytes} or kinds <= {int}):
        raise CborError("the keys of a CBOR map must be all integers, all texts or all bytes")
    if kinds == {int} and not all(-24 <= key < 24 for key in value):
        raise CborError("an integer key of a CBOR map must be from -24 to 23")

"""Deterministic CBOR (RFC 8949 section 4.2.1), and nothing else, in both directions.

Everything signed or hashed goes through here. The decoder accepts exactly the bytes the encoder
would have written, so one document has one digest and two parsers cannot read it differently.
"""

from typing import Any

import cbor2

from protocol.errors import RefusedError

MAX_DEPTH = 12
MAX_SIZE = 1 << 20

_ARRAY, _MAP, _TAG = 4, 5, 6


class CborError(RefusedError):
    """Bytes that are not deterministic CBOR within our limits."""


def encode(value: object) -> bytes:
    """Encode `value` deterministically (sorted keys, shortest forms, definite lengths)."""
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes, *, max_size: int = MAX_SIZE) -> Any:
    """Decode one deterministic CBOR item that fills `data` completely.

    Args:
        data: The encoded item.
        max_size: The most bytes accepted.

    Raises:
        CborError: too large, nested deeper than `MAX_DEPTH`, truncated, followed by other bytes, tagged,
            or not in the deterministic form (order of keys, duplicates, long integers, indefinite
            length).
    """
    if len(data) > max_size:
        raise CborError(f"CBOR document of {len(data)} bytes is larger than the {max_size} allowed")
    _check_nesting(data)
    try:
        value = cbor2.loads(data)
        again = encode(value)
    # cbor2 raises many kinds for hostile input (ValueError, OverflowError, TypeError, CBORDecodeError).
    except Exception as error:
        raise CborError(f"not CBOR: {error}") from error
    if again != data:
        raise CborError("CBOR is not in the deterministic form (RFC 8949 section 4.2.1)")
    return value


def _check_nesting(data: bytes) -> None:
    """Bound depth and announced lengths before a recursive decoder sees the bytes."""
    position = 0
    open_items: list[int] = [1]
    while open_items:
        if open_items[-1] == 0:
            open_items.pop()
            continue
        open_items[-1] -= 1
        major, argument, position = _head(data, position)
        if major in (2, 3):
            position += argument
            if position > len(data):
                raise CborError("CBOR string is longer than the document")
        elif major == _TAG:
            # A library turns tags into dates, numbers or shared references; no document needs them.
            raise CborError(f"CBOR tag {argument} has no place here")
        elif major in (_ARRAY, _MAP):
            items = argument if major == _ARRAY else 2 * argument
            if items > len(data):
                raise CborError("CBOR container announces more items than the document can hold")
            open_items.append(items)
            if len(open_items) > MAX_DEPTH + 1:
                raise CborError(f"CBOR is nested deeper than {MAX_DEPTH}")
    if position != len(data):
        raise CborError(f"{len(data) - position} bytes follow the CBOR document")


def _head(data: bytes, position: int) -> tuple[int, int, int]:
    """Read one initial byte and its argument: (major type, argument, next position)."""
    if position >= len(data):
        raise CborError("CBOR document is truncated")
    major, info = data[position] >> 5, data[position] & 31
    position += 1
    if info < 24:
        return major, info, position
    if info > 27:
        raise CborError("CBOR of indefinite length is not deterministic")
    width = 1 << (info - 24)
    if position + width > len(data):
        raise CborError("CBOR document is truncated")
    return major, int.from_bytes(data[position : position + width]), position + width

"""Frames between the agent and a runner: a 32-bit little-endian length, then CBOR.

Requests are `[operation, argument]`, answers `{"ok": value}` or `{"error": {code, text, ?layer}}`.
A socket of its own carries the question where a run that takes too long is: one byte in, the index
of the running layer out (signed 32-bit little-endian).
"""

import struct
from typing import Any, NamedTuple

import cbor2

LENGTH = struct.Struct("<I")
LAYER = struct.Struct("<i")
LOAD, RUN, GOLDEN, TRACE, PROFILE = "load", "run", "golden", "trace", "profile"
CONTROL_FD, WATCH_FD = "--control", "--watch"


class Output(NamedTuple):
    """What an application gets: float32 where the tensor has a scale.

    Attributes:
        shape: As declared, or smaller where it depends on data.
        data: Elements in C order, little-endian.
    """

    shape: tuple[int, ...]
    data: bytes


def pack(message: object) -> bytes:
    """One frame."""
    body = cbor2.dumps(message)
    return LENGTH.pack(len(body)) + body


def unpack(body: bytes) -> Any:
    """The message in a frame's body."""
    return cbor2.loads(body)

"""Golden vectors: inputs whose outputs every device must reproduce bit for bit.

The outputs of all targets are the same, so one release carries one set of digests. The
pseudo-random input needs no bytes on the wire: xorshift64* (Vigna, "An experimental exploration of
Marsaglia's xorshift generators, scrambled", 2016), which is a few lines on any device.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator

from protocol.module import TensorMeta

_MASK = (1 << 64) - 1


def _words(seed: int) -> Iterator[int]:
    """The upper 32 bits of each output of xorshift64*; the state starts at `seed` or, if 0, at 1."""
    state = seed & _MASK or 1
    while True:
        state ^= state >> 12
        state = (state ^ (state << 25)) & _MASK
        state ^= state >> 27
        yield (state * 0x2545F4914F6CDD1D & _MASK) >> 32


def random_inputs(seed: int, tensors: Iterable[TensorMeta]) -> list[bytes]:
    """One pseudo-random input: a buffer for each tensor, in order, from one run of the generator.

    Each element takes one 32-bit word w. int8 and uint8 take its top byte; float32 is
    (w >> 8) / 2^23 - 1, in [-1, 1); every other type is w >> 31, a legal index of any table
    that has two rows.
    """
    words = _words(seed)
    buffers = []
    for tensor in tensors:
        count = tensor.elements
        values = [next(words) for _ in range(count)]
        if tensor.dtype in ("int8", "uint8"):
            buffers.append(bytes(word >> 24 for word in values))
        elif tensor.dtype == "float32":
            buffers.append(struct.pack(f"<{count}f", *((word >> 8) / 2**23 - 1 for word in values)))
        else:
            width = tensor.nbytes // count if count else 1
            buffers.append(b"".join((word >> 31).to_bytes(width, "little") for word in values))
    return buffers


def outputs_digest(outputs: Iterable[bytes]) -> bytes:
    """SHA-256 over all outputs of one run, in the module's order."""
    digest = hashlib.sha256()
    for output in outputs:
        digest.update(output)
    return digest.digest()


def layer_digest(output: bytes) -> bytes:
    """First eight bytes of the SHA-256 of a layer's output as it lies in linear memory."""
    return hashlib.sha256(output).digest()[:8]

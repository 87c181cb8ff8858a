import hashlib
import struct

import pytest

from protocol.golden import layer_digest, outputs_digest, random_inputs
from protocol.module import TensorMeta


def _words(seed, count):
    """xorshift64* once more, from the paper's algorithm in signed steps."""
    x = seed or 1
    found = []
    for _ in range(count):
        x ^= x >> 12
        x ^= (x << 25) % 2**64
        x ^= x >> 27
        found.append((x * 2685821657736338717) % 2**64 // 2**32)
    return found


def test_first_words():
    assert _words(1, 2) == [0x47E4CE4B, 0xABCFA6A8]


@pytest.mark.parametrize("seed", [0, 1, 7, 2**63 - 1])
def test_one_run_feeds_all_tensors_in_order(seed):
    types = ("int8", "float32", "uint8", "int64", "bool", "int32", "int16")
    made = random_inputs(seed, [TensorMeta(name=t, dtype=t, shape=(2, 3)) for t in types])
    words = _words(seed, 6 * len(types))
    parts = [words[n * 6 : n * 6 + 6] for n in range(len(types))]
    assert made[0] == bytes(w >> 24 for w in parts[0])
    assert made[1] == struct.pack("<6f", *((w >> 8) / 2**23 - 1 for w in parts[1]))
    assert made[2] == bytes(w >> 24 for w in parts[2])
    assert made[3] == struct.pack("<6q", *(w >> 31 for w in parts[3]))
    assert made[4] == bytes(w >> 31 for w in parts[4])
    assert made[5] == struct.pack("<6i", *(w >> 31 for w in parts[5]))
    assert made[6] == struct.pack("<6h", *(w >> 31 for w in parts[6]))


def test_reference_bytes():
    (data,) = random_inputs(1, [TensorMeta(name="x", dtype="uint8", shape=(8,))])
    assert data[:2].hex() == "47ab"
    floats = random_inputs(7, [TensorMeta(name="x", dtype="float32", shape=(1000,))])[0]
    values = struct.unpack("<1000f", floats)
    assert -1 <= min(values) < -0.9
    assert 0.9 < max(values) < 1


def test_empty_tensors_and_scalars():
    assert random_inputs(1, [TensorMeta(name="x", dtype="int64", shape=(0,))]) == [b""]
    assert len(random_inputs(1, [TensorMeta(name="x", dtype="int64", shape=())])[0]) == 8


def test_digests():
    assert outputs_digest([b"a", b"b"]) == hashlib.sha256(b"ab").digest()
    assert layer_digest(b"a") == hashlib.sha256(b"a").digest()[:8]

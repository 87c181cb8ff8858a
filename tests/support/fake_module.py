"""Small but valid modules for tests of what carries them, with behaviours to choose.

The model is two layers over `size` int8 values: `y = x + 1` (wrapping), then `z = y xor key`, where the
key distinguishes versions; so the right answer is known without an oracle.
"""

import hashlib
import random
from dataclasses import dataclass, field

import wasmtime

from protocol.documents import GoldenCase
from protocol.golden import layer_digest, outputs_digest, random_inputs
from protocol.module import ABI, META_SECTION, LayerMeta, ModuleMeta, Region, TensorMeta

SCALE = 0.5
_INPUT, _MIDDLE, _OUTPUT, _WEIGHTS = 0, 1024, 2048, 4096

_BEHAVIOURS = {
    "good": "",
    "trap": "(drop (i32.load (i32.const -4)))",
    "loop": "(loop $forever (br $forever))",
    "divide": "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
}


@dataclass(frozen=True)
class FakeModule:
    """A module, what it must answer, and where it may be cut.

    Attributes:
        behaviour: `good`; `trap`, `loop` or `divide` in the second layer; `nonfinite`; `wrong` (the
            second layer computes something else than the golden vectors say).
        after: The behaviour shows only from this run on (counted from 0, golden runs included).
        weights: Bytes of pseudo-random filling, for modules of realistic size.
        shared: How many of these bytes are the same for every key, for deduplication.
        functions: Functions that nobody calls, for code of realistic size (about 90 bytes each).
    """

    name: str = "crop-model"
    version: str = "1.0.0"
    key: int = 1
    size: int = 8
    behaviour: str = "good"
    after: int = 0
    weights: int = 20_000
    shared: int = 16_384
    functions: int = 0
    target: str = "simd"
    deadline: int = 500
    classes: tuple[str, ...] = field(default=("linux",))

    @property
    def meta(self) -> ModuleMeta:
        """Its `fleet.meta`."""

        def tensor(name: str) -> TensorMeta:
            return TensorMeta(name=name, dtype="int8", shape=(1, self.size), scale=SCALE, zero_point=0)

        def layer(name: str, detail: str, offset: int) -> LayerMeta:
            return LayerMeta(
                name=name, op=detail.split(maxsplit=1)[0], detail=detail, dtype="int8",
                shape=(1, self.size), macs=self.size, weight_bytes=0, offset=offset,
            )  # fmt: skip

        return ModuleMeta(
            name=self.name, version=self.version, target=self.target, abi=ABI,
            inputs=(tensor("x"),), outputs=(tensor("z"),),
            layers=(layer("/first/Add", "Add 8", _MIDDLE), layer("/second/Conv", "Conv 1x1 8->8", _OUTPUT)),
            arena=Region(offset=_INPUT, size=4096), arena_bound=3072, memory=self._pages * 65536,
            provenance={"test": "fake"},
        )  # fmt: skip

    @property
    def _pages(self) -> int:
        return 1 + (_WEIGHTS + self.weights) // 65536

    def answer(self, values: bytes) -> bytes:
        """The right output for `size` int8 input values."""
        return bytes((v + 1 & 255) ^ self.key for v in values)

    def build(self) -> bytes:
        """The `.wasm` file."""
        common = self._filling("shared", min(self.shared, self.weights))
        own = self._filling(self.key, self.weights - len(common))
        fault = _BEHAVIOURS.get(self.behaviour, "")
        status = 1 if self.behaviour == "nonfinite" else 0
        key = self.key ^ 0x40 if self.behaviour == "wrong" else self.key
        wat = f"""(module
          (memory (export "memory") {self._pages} {self._pages})
          (global $layer (export "fleet_layer") (mut i32) (i32.const -1))
          (global $runs (mut i32) (i32.const 0))
          (func (export "fleet_abi") (result i32) (i32.const {ABI}))
          (func (export "input") (param i32) (result i32) (i32.const {_INPUT}))
          (func (export "output") (param i32) (result i32) (i32.const {_OUTPUT}))
          (func (export "layers") (result i32) (i32.const 2))
          (func $first (local $i i32) (global.set $layer (i32.const 0))
            (loop $next
              (i32.store8 offset={_MIDDLE} (local.get $i)
                (i32.add (i32.load8_u offset={_INPUT} (local.get $i)) (i32.const 1)))
              (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                                     (i32.const {self.size})))))
          (func $second (result i32) (local $i i32) (local $key i32) (local $status i32)
            (global.set $layer (i32.const 1))
            (local.set $key (i32.const {self.key}))
            (if (i32.ge_u (global.get $runs) (i32.const {self.after})) (then
              (local.set $key (i32.const {key})) (local.set $status (i32.const {status})) {fault}))
            (global.set $runs (i32.add (global.get $runs) (i32.const 1)))
            (loop $next
              (i32.store8 offset={_OUTPUT} (local.get $i)
                (i32.xor (i32.load8_u offset={_MIDDLE} (local.get $i)) (local.get $key)))
              (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                                     (i32.const {self.size}))))
            (local.get $status))
          (func (export "run_layer") (param i32) (result i32)
            (if (result i32) (i32.eqz (local.get 0))
              (then (call $first) (i32.const 0)) (else (call $second))))
          (func (export "run") (result i32) (call $first) (call $second))
          {self._uncalled()}
          (data (i32.const {_WEIGHTS}) "{_escape(common + own)}"))"""
        return bytes(wasmtime.wat2wasm(wat)) + _custom(META_SECTION, self.meta.encode())

    def golden(
        self, seeds: tuple[int, ...] = (7, 8)
    ) -> tuple[tuple[GoldenCase, ...], tuple[bytes, ...], list[bytes]]:
        """Golden cases (one with its input on the wire, one for each seed), trace, and the input chunks."""
        from protocol.chunks import sha256
        from protocol.documents import Chunk

        real = hashlib.sha256(self.name.encode()).digest()[: self.size]
        cases = [
            GoldenCase(
                outputs=outputs_digest([self.answer(real)]),
                inputs=(Chunk(digest=sha256(real), length=len(real)),),
            )
        ]
        for seed in seeds:
            (values,) = random_inputs(seed, self.meta.inputs)
            cases.append(GoldenCase(outputs=outputs_digest([self.answer(values)]), seed=seed))
        middle = bytes(v + 1 & 255 for v in real)
        return tuple(cases), (layer_digest(middle), layer_digest(self.answer(real))), [real]

    def _uncalled(self) -> str:
        sums = "".join(
            f"(local.set 0 (i32.add (i32.mul (local.get 0) (i32.const {n}))"
            f" (i32.load offset={n} (local.get 1))))"
            for n in range(1, 9)
        )
        return f"(func (param i32 i32) (result i32) {sums} (local.get 0))" * self.functions

    @staticmethod
    def _filling(seed: str | int, size: int) -> bytes:
        return random.Random(seed).randbytes(size)  # noqa: S311 - the same bytes on every run, not a secret

    def boundaries(self, wasm: bytes) -> list[int]:
        """Where the filling may be cut: every 8 KiB of it, from its beginning."""
        common = self._filling("shared", min(self.shared, self.weights))
        start = wasm.find(common[:64]) if common else 0
        return [start, *range(start, start + self.weights, 8192), start + len(common), start + self.weights]


def _escape(data: bytes) -> str:
    return "".join(f"\\{byte:02x}" for byte in data)


def _leb(value: int) -> bytes:
    out = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)


def _custom(name: str, contents: bytes) -> bytes:
    body = _leb(len(name)) + name.encode() + contents
    return b"\0" + _leb(len(body)) + body

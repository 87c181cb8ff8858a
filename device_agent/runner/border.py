"""float32 for applications, 8 bits in the module: both conversions as Wasm around `run`, in one call.

The rules are QuantizeLinear and DequantizeLinear of docs/spec/numbers.md.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import wasmtime

from device_agent.runner.calls import prepared
from device_agent.runner.quantize import Array
from device_agent.runner.tensor import Tensor

_PAGE = 65536
_LANES = 16
# `run` of the module is called where inputs are in place; outputs are left as they are unless it returns 0.
_MODULE = """
(module
  (import "module" "memory" (memory $module 0))
  (import "module" "run" (func $run (result i32)))
  (memory $own (export "memory") {pages})
{functions}
  (func $enter (export "enter")
{enter})
  (func (export "run") (result i32)
    (local $status i32)
    (call $enter)
    (if (local.tee $status (call $run)) (then (return (local.get $status))))
{leave}
    (i32.const 0)))
"""
# In place: what is written lies behind what was read. a < b ? b : a is pmax, so that NaN gives the lowest.
_QUANTIZE = """
  (func $quantize_{dtype} (param $at i32) (param $to i32) (param $count i32)
      (param $scale v128) (param $bias v128) (param $low v128) (param $high v128)
    (local $n i32)
    (loop $again
      (v128.store $own (i32.add (local.get $at) (local.get $n))
        (i8x16.narrow_i16x8_{sign}
          (i16x8.narrow_i32x4_s {0} {1})
          (i16x8.narrow_i32x4_s {2} {3})))
      (br_if $again (i32.lt_u
        (local.tee $n (i32.add (local.get $n) (i32.const 16)))
        (local.get $count))))
    (memory.copy $module $own (local.get $to) (local.get $at) (local.get $count)))
"""
# Adding 1.5 * 2^23 leaves the integer, rounded half to even, in the low bits.
_QUANTIZED = """(i32x4.sub (f32x4.add (v128.const f32x4 12582912 12582912 12582912 12582912)
            (f32x4.pmin (local.get $high) (f32x4.pmax (local.get $low) (f32x4.div
              (v128.load $own offset={offset}
                (i32.add (local.get $at) (i32.shl (local.get $n) (i32.const 2))))
              (local.get $scale))))) (local.get $bias))"""
_ROUND = 0x4B400000
# The bytes lie at the end of the room for the floats, so none is overwritten before it was read.
_DEQUANTIZE = """
  (func $dequantize_{dtype} (param $at i32) (param $from i32) (param $count i32)
      (param $scale v128) (param $zero v128)
    (local $n i32) (local $bytes i32) (local $v v128) (local $w v128)
    (local.set $bytes (i32.add (local.get $at) (i32.mul (i32.const 3)
      (i32.and (i32.add (local.get $count) (i32.const 15)) (i32.const -16)))))
    (memory.copy $own $module (local.get $bytes) (local.get $from) (local.get $count))
    (loop $again
      (local.set $v (v128.load $own (i32.add (local.get $bytes) (local.get $n))))
      (local.set $w (i16x8.extend_high_i8x16_{sign} (local.get $v)))
      (local.set $v (i16x8.extend_low_i8x16_{sign} (local.get $v)))
{0}
      (br_if $again (i32.lt_u
        (local.tee $n (i32.add (local.get $n) (i32.const 16)))
        (local.get $count)))))
"""
_DEQUANTIZED = """\
      (v128.store $own offset={offset} (i32.add (local.get $at) (i32.shl (local.get $n) (i32.const 2)))
        (f32x4.mul (local.get $scale) (f32x4.convert_i32x4_s (i32x4.sub
          (i32x4.extend_{half}_i16x8_s (local.get ${part})) (local.get $zero)))))"""


_OFFSETS = (0, 16, 32, 48)


def _conversions(dtype: str) -> str:
    """Both functions of a type; each turns 16 elements a round."""
    sign = "s" if dtype == "int8" else "u"
    quantized = [_QUANTIZED.format(offset=offset) for offset in _OFFSETS]
    halves = (("low", "v"), ("high", "v"), ("low", "w"), ("high", "w"))
    dequantized = [
        _DEQUANTIZED.format(half=half, part=part, offset=offset)
        for (half, part), offset in zip(halves, _OFFSETS, strict=True)
    ]
    return _QUANTIZE.format(*quantized, dtype=dtype, sign=sign) + _DEQUANTIZE.format(
        "\n".join(dequantized), dtype=dtype, sign=sign
    )


_FUNCTIONS = _conversions("int8") + _conversions("uint8")


@dataclass(frozen=True)
class Placed:
    """A tensor in a module's memory.

    Attributes:
        address: Its first byte.
        region: Its bytes.
    """

    tensor: Tensor
    address: int
    region: Array

    def quantize(self, at: int) -> str:
        """The call that makes its bytes of floats at `at`."""
        limits, zero = np.iinfo(self.tensor.dtype), self.tensor.zero_point
        bounds = (f"(f32x4.splat (f32.const {bound - zero}))" for bound in (limits.min, limits.max))
        return self._call("quantize", at, f"(i32x4.splat (i32.const {_ROUND - zero}))", *bounds)

    def dequantize(self, at: int) -> str:
        """The call that makes floats at `at` of its bytes."""
        return self._call("dequantize", at, f"(i32x4.splat (i32.const {self.tensor.zero_point}))")

    def _call(self, function: str, at: int, *more: str) -> str:
        scale = float(np.float32(self.tensor.scale or 0)).hex()
        places = f"(i32.const {at}) (i32.const {self.address}) (i32.const {self.tensor.elements})"
        words = (f"${function}_{self.tensor.dtype}", places, f"(f32x4.splat (f32.const {scale}))", *more)
        return f"    (call {' '.join(words)})"


class Border:
    """The way into one instance of a module and out of it.

    Args:
        engine: Compiles the conversions.
        store: Where the instance lives.
        exports: Of the instance.
        inputs: All of them; those of 8 bits with a scale are converted.
        outputs: Likewise.

    Attributes:
        given: For each input where the application's bytes go; once converted they are gone.
        taken: For each output where the application's bytes are after `run`.
        run: Converts, runs the module, and converts; returns what the module's `run` does.
        enter: Converts the inputs only.
    """

    def __init__(
        self,
        engine: wasmtime.Engine,
        store: wasmtime.Store,
        exports: Mapping[str, Any],
        inputs: Sequence[Placed],
        outputs: Sequence[Placed],
    ) -> None:
        places: dict[int, int] = {}
        size = 0
        for number, placed in enumerate((*inputs, *outputs)):
            if placed.tensor.is_bytes:
                places[number] = size
                size += 4 * _padded(placed.tensor.elements)
        enter, leave = [], []
        for number, at in places.items():
            placed = (*inputs, *outputs)[number]
            if number < len(inputs):
                enter.append(placed.quantize(at))
            else:
                leave.append(placed.dequantize(at))
        text = _MODULE.format(
            pages=-(-size // _PAGE), functions=_FUNCTIONS, enter="\n".join(enter), leave="\n".join(leave)
        )
        instance = wasmtime.Instance(
            store, wasmtime.Module(engine, text), [exports["memory"], exports["run"]]
        )
        own_exports: dict[str, Any] = dict(instance.exports(store))
        own = np.frombuffer(own_exports["memory"].get_buffer_ptr(store), np.uint8)
        rooms = [
            own[places[number] : places[number] + placed.tensor.given_bytes]
            if number in places
            else placed.region
            for number, placed in enumerate((*inputs, *outputs))
        ]
        self.given, self.taken = rooms[: len(inputs)], rooms[len(inputs) :]
        self.run = prepared(store, own_exports["run"])
        self.enter: Callable[[], None] = lambda: own_exports["enter"](store)


def _padded(elements: int) -> int:
    # A round is done even for no element.
    return max(-(-elements // _LANES), 1) * _LANES

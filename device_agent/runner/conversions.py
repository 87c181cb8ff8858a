"""QuantizeLinear and DequantizeLinear of docs/spec/numbers.md as Wasm: with SIMD, and the same bits without.

`$quantize_int8 at to count scale bias low high` turns the floats at `at` of memory `$own` into bytes at `to`
of memory `$module`; `$dequantize_int8 at from count scale zero` turns bytes at `from` of `$module` into
floats at `at` of `$own`; `$quantize_uint8` and `$dequantize_uint8` likewise. The room at `at` is that of the
floats, their number rounded up to `LANES`, and at least that.
"""

LANES = 16
ROUND = 0x4B400000
"""`bias` is this less the zero point. Adding 1.5 * 2^23 to a float leaves the integer, rounded half to even,
in the low bits of a float whose other bits are these."""

# In place: what is written lies behind what was read. a < b ? b : a is pmax, so that NaN gives the lowest.
_QUANTIZE = """
  (func $quantize_{dtype} (param $at i32) (param $to i32) (param $count i32)
      (param $scale f32) (param $bias i32) (param $low f32) (param $high f32)
    (local $n i32) (local $scales v128) (local $biases v128) (local $lows v128) (local $highs v128)
    (local.set $scales (f32x4.splat (local.get $scale)))
    (local.set $biases (i32x4.splat (local.get $bias)))
    (local.set $lows (f32x4.splat (local.get $low)))
    (local.set $highs (f32x4.splat (local.get $high)))
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
_QUANTIZED = """(i32x4.sub (f32x4.add (v128.const f32x4 12582912 12582912 12582912 12582912)
            (f32x4.pmin (local.get $highs) (f32x4.pmax (local.get $lows) (f32x4.div
              (v128.load $own offset={offset}
                (i32.add (local.get $at) (i32.shl (local.get $n) (i32.const 2))))
              (local.get $scales))))) (local.get $biases))"""
# The bytes lie at the end of the room for the floats, so none is overwritten before it was read.
_DEQUANTIZE = """
  (func $dequantize_{dtype} (param $at i32) (param $from i32) (param $count i32)
      (param $scale f32) (param $zero i32)
    (local $n i32) (local $bytes i32) (local $v v128) (local $w v128)
    (local $scales v128) (local $zeros v128)
    (local.set $scales (f32x4.splat (local.get $scale)))
    (local.set $zeros (i32x4.splat (local.get $zero)))
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
        (f32x4.mul (local.get $scales) (f32x4.convert_i32x4_s (i32x4.sub
          (i32x4.extend_{half}_i16x8_s (local.get ${part})) (local.get $zeros)))))"""
_OFFSETS = (0, 16, 32, 48)

# One element a round; the comparisons are those of pmax and pmin.
_SCALAR = """
  (func $quantize_{dtype} (param $at i32) (param $to i32) (param $count i32)
      (param $scale f32) (param $bias i32) (param $low f32) (param $high f32)
    (local $n i32) (local $v f32)
    (if (local.get $count) (then (loop $again
      (local.set $v (f32.div
        (f32.load $own (i32.add (local.get $at) (i32.shl (local.get $n) (i32.const 2)))) (local.get $scale)))
      (local.set $v (select (local.get $v) (local.get $low) (f32.lt (local.get $low) (local.get $v))))
      (local.set $v (select (local.get $v) (local.get $high) (f32.lt (local.get $v) (local.get $high))))
      (i32.store8 $own (i32.add (local.get $at) (local.get $n)) (i32.sub
        (i32.reinterpret_f32 (f32.add (local.get $v) (f32.const 12582912))) (local.get $bias)))
      (br_if $again (i32.lt_u
        (local.tee $n (i32.add (local.get $n) (i32.const 1)))
        (local.get $count))))))
    (memory.copy $module $own (local.get $to) (local.get $at) (local.get $count)))

  (func $dequantize_{dtype} (param $at i32) (param $from i32) (param $count i32)
      (param $scale f32) (param $zero i32)
    (local $n i32) (local $bytes i32)
    (local.set $bytes (i32.add (local.get $at) (i32.mul (i32.const 3) (local.get $count))))
    (memory.copy $own $module (local.get $bytes) (local.get $from) (local.get $count))
    (if (local.get $count) (then (loop $again
      (f32.store $own (i32.add (local.get $at) (i32.shl (local.get $n) (i32.const 2)))
        (f32.mul (local.get $scale) (f32.convert_i32_s (i32.sub
          (i32.load8_{sign} $own (i32.add (local.get $bytes) (local.get $n))) (local.get $zero)))))
      (br_if $again (i32.lt_u
        (local.tee $n (i32.add (local.get $n) (i32.const 1)))
        (local.get $count)))))))
"""


def _vectors(dtype: str, sign: str) -> str:
    quantized = [_QUANTIZED.format(offset=offset) for offset in _OFFSETS]
    halves = (("low", "v"), ("high", "v"), ("low", "w"), ("high", "w"))
    dequantized = [
        _DEQUANTIZED.format(half=half, part=part, offset=offset)
        for (half, part), offset in zip(halves, _OFFSETS, strict=True)
    ]
    return _QUANTIZE.format(*quantized, dtype=dtype, sign=sign) + _DEQUANTIZE.format(
        "\n".join(dequantized), dtype=dtype, sign=sign
    )


SIMD = _vectors("int8", "s") + _vectors("uint8", "u")
"""All four functions."""
SCALAR = _SCALAR.format(dtype="int8", sign="s") + _SCALAR.format(dtype="uint8", sign="u")
"""The same ones, for an engine that has no SIMD."""

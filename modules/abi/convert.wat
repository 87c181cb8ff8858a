;; float32 to int8 for fleet.mjs, which carries it in base64: the rule of docs/spec/numbers.md, four elements at a time.
(module
  (memory (export "memory") 1)
  ;; `count` floats at 0 become bytes at `to`, both filled up to a multiple of 4.
  ;; `low` and `high` are -128 and 127 less the zero point; `bias` is 0x4B400000 less the zero point.
  (func (export "quantize")
    (param $count i32) (param $to i32) (param $scale f32) (param $low f32) (param $high f32) (param $bias i32)
    (local $at i32) (local $v v128)
    (loop $again
      (local.set $v (f32x4.div
        (v128.load (i32.shl (local.get $at) (i32.const 2)))
        (f32x4.splat (local.get $scale))))
      ;; a < b ? b : a, so that NaN gives the lowest.
      (local.set $v (f32x4.pmax (f32x4.splat (local.get $low)) (local.get $v)))
      (local.set $v (f32x4.pmin (f32x4.splat (local.get $high)) (local.get $v)))
      ;; Adding 1.5 * 2^23 leaves the integer, rounded half to even, in the low bits.
      (local.set $v (i32x4.sub
        (f32x4.add (local.get $v) (f32x4.splat (f32.const 12582912)))
        (i32x4.splat (local.get $bias))))
      (local.set $v (i16x8.narrow_i32x4_s (local.get $v) (local.get $v)))
      (v128.store32_lane 0
        (i32.add (local.get $to) (local.get $at))
        (i8x16.narrow_i16x8_s (local.get $v) (local.get $v)))
      (br_if $again (i32.lt_u
        (local.tee $at (i32.add (local.get $at) (i32.const 4)))
        (local.get $count))))))

/* to_int8 of docs/spec/numbers.md for four lanes, and the narrowing stores that follow it. */
#ifndef FLEET_SIMD128_REQUANTIZE_H
#define FLEET_SIMD128_REQUANTIZE_H

#include <wasm_simd128.h>

#include "common/numbers.h"

struct fleet_to_int8_lanes {
    v128_t lowest, highest; /* f32x4: the clamp, less the zero point */
    v128_t rounder;         /* f32x4 */
    v128_t offset;          /* i32x4: bits of the rounder, less the zero point */
};

static inline struct fleet_to_int8_lanes fleet_to_int8_lanes_of(int32_t zero_point, int32_t lo, int32_t hi)
{
    const struct fleet_to_int8_lanes q = {
        wasm_f32x4_splat((float)(lo - zero_point)),
        wasm_f32x4_splat((float)(hi - zero_point)),
        wasm_f32x4_splat(FLEET_ROUNDER),
        wasm_i32x4_splat(FLEET_ROUNDER_BITS - zero_point),
    };
    return q;
}

/* Four results as i32x4, already within −128 … 127. */
static inline v128_t fleet_to_int8_x4(v128_t v, const struct fleet_to_int8_lanes *q)
{
    v = wasm_f32x4_pmax(q->lowest, v);
    v = wasm_f32x4_pmin(q->highest, v);
    return wasm_i32x4_sub(wasm_f32x4_add(v, q->rounder), q->offset);
}

static inline v128_t fleet_narrow_x16(v128_t a, v128_t b, v128_t c, v128_t d)
{
    return wasm_i8x16_narrow_i16x8(wasm_i16x8_narrow_i32x4(a, b), wasm_i16x8_narrow_i32x4(c, d));
}

static inline void fleet_store_int8_x8(int8_t *y, v128_t a, v128_t b)
{
    const v128_t half = wasm_i16x8_narrow_i32x4(a, b);
    wasm_v128_store64_lane(y, wasm_i8x16_narrow_i16x8(half, half), 0);
}

/* The first `count` of eight. Rare, so it is worth no copy where it is called. */
static __attribute__((noinline)) void fleet_store_few(int8_t *y, v128_t a, v128_t b, int32_t count)
{
    int8_t bytes[8];
    fleet_store_int8_x8(bytes, a, b);
    for (int32_t i = 0; i < count; ++i) {
        y[i] = bytes[i];
    }
}

/* Stores the first `count` (>= 1) of four int32 as int8. */
static inline void fleet_store_int8_x4(int8_t *y, v128_t values, int32_t count)
{
    if (count >= 4) {
        const v128_t half = wasm_i16x8_narrow_i32x4(values, values);
        wasm_v128_store32_lane(y, wasm_i8x16_narrow_i16x8(half, half), 0);
    } else {
        fleet_store_few(y, values, values, count);
    }
}

#endif

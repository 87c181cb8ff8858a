/* to_int8 of docs/spec/numbers.md for several lanes, and stores of what it gives. */
#ifndef FLEET_SIMD128_REQUANTIZE_H
#define FLEET_SIMD128_REQUANTIZE_H

#include <wasm_simd128.h>

#include "common/numbers.h"

struct fleet_to_int8_lanes {
    v128_t lowest;  /* f32x4: the lower bound, less the zero point */
    v128_t rounder; /* f32x4 */
    v128_t offset;  /* i32x4: bits of the rounder, less the zero point */
    v128_t highest; /* i8x16: the upper bound. What is above saturates when it is narrowed */
};

static inline struct fleet_to_int8_lanes fleet_to_int8_lanes_of(int32_t zero_point, int32_t lo, int32_t hi)
{
    const struct fleet_to_int8_lanes q = {
        wasm_f32x4_splat((float)(lo - zero_point)),
        wasm_f32x4_splat(FLEET_ROUNDER),
        wasm_i32x4_splat(FLEET_ROUNDER_BITS - zero_point),
        wasm_i8x16_splat((int8_t)hi),
    };
    return q;
}

/* Eight results in the lower half. The bits of positive floats grow as the floats do, so what is too large to be rounded by an
 * addition saturates nevertheless. */
static inline v128_t fleet_to_int8_x8(v128_t low, v128_t high, const struct fleet_to_int8_lanes *q)
{
    const v128_t a = wasm_f32x4_add(wasm_f32x4_pmax(q->lowest, low), q->rounder);
    const v128_t b = wasm_f32x4_add(wasm_f32x4_pmax(q->lowest, high), q->rounder);
    const v128_t half = wasm_i16x8_narrow_i32x4(wasm_i32x4_sub(a, q->offset), wasm_i32x4_sub(b, q->offset));
    return wasm_i8x16_min(wasm_i8x16_narrow_i16x8(half, half), q->highest);
}

/* The first `count` of eight bytes. Rare, so it is worth no copy where it is called. */
static __attribute__((noinline)) void fleet_store_few(int8_t *y, v128_t bytes, int32_t count)
{
    int8_t all[8];
    wasm_v128_store64_lane(all, bytes, 0);
    for (int32_t i = 0; i < count; ++i) {
        y[i] = all[i];
    }
}

#endif

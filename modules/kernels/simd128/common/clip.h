/* clip of docs/spec/numbers.md for four lanes, and stores of part of a vector. */
#ifndef FLEET_SIMD128_CLIP_H
#define FLEET_SIMD128_CLIP_H

#include <wasm_simd128.h>

#include <stdint.h>

static inline v128_t fleet_clip_x4(v128_t v, v128_t lo, v128_t hi)
{
    return wasm_f32x4_pmin(wasm_f32x4_pmax(v, lo), hi);
}

/* Stores the first `count` (1 … 4, more means 4) lanes. */
static inline void fleet_store_f32x4(float *y, v128_t v, int32_t count)
{
    if (count >= 4) {
        wasm_v128_store(y, v);
        return;
    }
    y[0] = wasm_f32x4_extract_lane(v, 0);
    if (count > 1) {
        y[1] = wasm_f32x4_extract_lane(v, 1);
    }
    if (count > 2) {
        y[2] = wasm_f32x4_extract_lane(v, 2);
    }
}

/* Loads the first `count` (1 … 4, more means 4) elements; other lanes are 0. */
static inline v128_t fleet_load_f32x4(const float *x, int32_t count)
{
    if (count >= 4) {
        return wasm_v128_load(x);
    }
    v128_t v = wasm_v128_load32_zero(x);
    if (count > 1) {
        v = wasm_v128_load32_lane(x + 1, v, 1);
    }
    if (count > 2) {
        v = wasm_v128_load32_lane(x + 2, v, 2);
    }
    return v;
}

#endif

/* fleet_exp for four lanes. */
#ifndef FLEET_SIMD128_EXP_H
#define FLEET_SIMD128_EXP_H

#include <wasm_simd128.h>

#include "common/exp.h"

static inline v128_t fleet_power_of_two_x4(v128_t exponent)
{
    return wasm_i32x4_shl(wasm_i32x4_add(exponent, wasm_i32x4_splat(127)), 23);
}

static inline v128_t fleet_horner_x4(v128_t p, v128_t r, float coefficient)
{
    return wasm_f32x4_add(wasm_f32x4_mul(p, r), wasm_f32x4_splat(coefficient));
}

static inline v128_t fleet_exp_x4(v128_t x)
{
    x = wasm_f32x4_pmin(wasm_f32x4_pmax(x, wasm_f32x4_splat(FLEET_EXP_LOWEST)), wasm_f32x4_splat(FLEET_EXP_HIGHEST));
    v128_t n = wasm_f32x4_add(wasm_f32x4_mul(x, wasm_f32x4_splat(FLEET_EXP_LOG2E)), wasm_f32x4_splat(FLEET_ROUNDER));
    const v128_t k = wasm_i32x4_sub(n, wasm_i32x4_splat(FLEET_ROUNDER_BITS));
    n = wasm_f32x4_sub(n, wasm_f32x4_splat(FLEET_ROUNDER));
    v128_t r = wasm_f32x4_sub(x, wasm_f32x4_mul(n, wasm_f32x4_splat(FLEET_EXP_LN2_HIGH)));
    r = wasm_f32x4_sub(r, wasm_f32x4_mul(n, wasm_f32x4_splat(FLEET_EXP_LN2_LOW)));
    v128_t p = wasm_f32x4_splat(FLEET_EXP_C7);
    p = fleet_horner_x4(p, r, FLEET_EXP_C6);
    p = fleet_horner_x4(p, r, FLEET_EXP_C5);
    p = fleet_horner_x4(p, r, FLEET_EXP_C4);
    p = fleet_horner_x4(p, r, FLEET_EXP_C3);
    p = fleet_horner_x4(p, r, FLEET_EXP_C2);
    v128_t y = wasm_f32x4_add(wasm_f32x4_mul(p, wasm_f32x4_mul(r, r)), r);
    y = wasm_f32x4_add(y, wasm_f32x4_splat(1.0f));
    const v128_t half = wasm_i32x4_shr(k, 1);
    y = wasm_f32x4_mul(y, fleet_power_of_two_x4(half));
    return wasm_f32x4_mul(y, fleet_power_of_two_x4(wasm_i32x4_sub(k, half)));
}

#endif

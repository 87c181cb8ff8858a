/* int8 activations as a patch takes them: widened to int16, less the zero point, so that padding is zero and needs no
 * correction; or with relaxed SIMD as they are, where padding is the zero point. */
#ifndef FLEET_SIMD128_ACTIVATIONS_H
#define FLEET_SIMD128_ACTIVATIONS_H

#include <wasm_simd128.h>

#include <stdint.h>

#include "simd128/convolution/patch_dot_s8.h"

static inline fleet_activation fleet_take_one(int8_t x, int32_t zero_point)
{
#ifdef __wasm_relaxed_simd__
    (void)zero_point;
    return x;
#else
    return (int16_t)(x - zero_point);
#endif
}

/* Takes `count` bytes and gives the end of what it wrote. */
static inline fleet_activation *fleet_take(const int8_t *x, int32_t count, int32_t zero_point, fleet_activation *out)
{
    int32_t i = 0;
#ifdef __wasm_relaxed_simd__
    for (; i + 16 <= count; i += 16) {
        wasm_v128_store(out + i, wasm_v128_load(x + i));
    }
#else
    const v128_t zero = wasm_i16x8_splat((int16_t)zero_point);
    for (; i + 8 <= count; i += 8) {
        wasm_v128_store(out + i, wasm_i16x8_sub(wasm_i16x8_load8x8(x + i), zero));
    }
#endif
    for (; i < count; ++i) {
        out[i] = fleet_take_one(x[i], zero_point);
    }
    return out + count;
}

/* A function of its own: it is called for each row of input only. */
static __attribute__((noinline, minsize)) fleet_activation *fleet_take_padding(int32_t count, int32_t zero_point,
                                                                               fleet_activation *out)
{
    const int8_t zero = (int8_t)zero_point;
    const v128_t zeros = sizeof(*out) == 1 ? wasm_i8x16_splat(zero) : wasm_i16x8_splat(0);
    int32_t i = 0;
    for (; i + 4 * FLEET_LANE <= count; i += 4 * FLEET_LANE) {
        wasm_v128_store(out + i, zeros);
    }
    for (; i < count; ++i) {
        out[i] = fleet_take_one(zero, zero_point);
    }
    return out + count;
}

/* Takes eight bytes of a vector for each half of it. */
static inline fleet_activation *fleet_take_halves(v128_t bytes, int32_t halves, int32_t zero_point, fleet_activation *out)
{
#ifdef __wasm_relaxed_simd__
    (void)zero_point;
    if (halves == 2) {
        wasm_v128_store(out, bytes);
    } else {
        wasm_v128_store64_lane(out, bytes, 0);
    }
#else
    const v128_t zero = wasm_i16x8_splat((int16_t)zero_point);
    wasm_v128_store(out, wasm_i16x8_sub(wasm_i16x8_extend_low_i8x16(bytes), zero));
    if (halves == 2) {
        wasm_v128_store(out + 8, wasm_i16x8_sub(wasm_i16x8_extend_high_i8x16(bytes), zero));
    }
#endif
    return out + 8 * halves;
}

#endif

/* int8 activations to int16 with the zero point subtracted: padding is then a plain zero and needs no correction. */
#ifndef FLEET_SIMD128_WIDEN_H
#define FLEET_SIMD128_WIDEN_H

#include <wasm_simd128.h>

#include <stdint.h>

static inline int16_t *fleet_widen(const int8_t *x, int32_t count, int32_t zero_point, int16_t *out)
{
    const v128_t zero = wasm_i16x8_splat((int16_t)zero_point);
    int32_t i = 0;
    for (; i + 8 <= count; i += 8) {
        wasm_v128_store(out + i, wasm_i16x8_sub(wasm_i16x8_load8x8(x + i), zero));
    }
    for (; i < count; ++i) {
        out[i] = (int16_t)(x[i] - zero_point);
    }
    return out + count;
}

static inline int16_t *fleet_widen_padding(int32_t count, int16_t *out)
{
    int32_t i = 0;
    for (; i + 8 <= count; i += 8) {
        wasm_v128_store(out + i, wasm_i16x8_splat(0));
    }
    for (; i < count; ++i) {
        out[i] = 0;
    }
    return out + count;
}

#endif

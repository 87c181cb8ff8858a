#include "fleet_kernels.h"

#include <wasm_simd128.h>

void fleet_dequantize_s8_f32(const struct fleet_quantize_params *p, const int8_t *x, float *y)
{
    const v128_t zero = wasm_i16x8_splat((int16_t)p->zero_point);
    const v128_t scale = wasm_f32x4_splat(p->scale);
    int32_t i = 0;
    for (; i + 8 <= p->count; i += 8) {
        const v128_t eight = wasm_i16x8_sub(wasm_i16x8_load8x8(x + i), zero);
        const v128_t low = wasm_f32x4_convert_i32x4(wasm_i32x4_extend_low_i16x8(eight));
        const v128_t high = wasm_f32x4_convert_i32x4(wasm_i32x4_extend_high_i16x8(eight));
        wasm_v128_store(y + i, wasm_f32x4_mul(low, scale));
        wasm_v128_store(y + i + 4, wasm_f32x4_mul(high, scale));
    }
    for (; i < p->count; ++i) {
        y[i] = (float)(x[i] - p->zero_point) * p->scale;
    }
}

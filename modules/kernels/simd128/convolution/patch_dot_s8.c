#include "simd128/convolution/patch_dot_s8.h"

#include "simd128/common/requantize.h"

#define MAX_VECTORS 4

/* Two pixels times `vectors` vectors of four channels: eight sums, four weights and two activations fill sixteen registers. */
static inline __attribute__((always_inline)) void dot_tile(const int16_t *x0, const int16_t *x1, const struct fleet_patch *patch,
                                                           const int8_t *weights, const int32_t *bias, const float *multipliers,
                                                           const struct fleet_to_int8_lanes *q, int32_t channels, int8_t *y0,
                                                           int8_t *y1, uint32_t vectors)
{
    v128_t sum0[MAX_VECTORS];
    v128_t sum1[MAX_VECTORS];
    for (uint32_t v = 0; v < vectors; ++v) {
        sum0[v] = wasm_v128_load(bias + 4 * v);
        sum1[v] = sum0[v];
    }
    for (int32_t s = 0; s < patch->segments; ++s) {
        const int16_t *a = x0;
        const int16_t *b = x1;
        for (int32_t k = patch->pairs; k > 0; --k) {
            const v128_t pair0 = wasm_v128_load32_splat(a);
            const v128_t pair1 = wasm_v128_load32_splat(b);
            for (uint32_t v = 0; v < vectors; ++v) {
                const v128_t w = wasm_i16x8_load8x8(weights + 8 * v);
                sum0[v] = wasm_i32x4_add(sum0[v], wasm_i32x4_dot_i16x8(pair0, w));
                sum1[v] = wasm_i32x4_add(sum1[v], wasm_i32x4_dot_i16x8(pair1, w));
            }
            a += 2;
            b += 2;
            weights += 8 * vectors;
        }
        x0 += patch->segment_step;
        x1 += patch->segment_step;
    }
    for (uint32_t v = 0; v < vectors; ++v) {
        const v128_t m = wasm_v128_load(multipliers + 4 * v);
        sum0[v] = fleet_to_int8_x4(wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sum0[v]), m), q);
        sum1[v] = fleet_to_int8_x4(wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sum1[v]), m), q);
    }
    if (vectors == 4 && channels >= 16) {
        wasm_v128_store(y0, fleet_narrow_x16(sum0[0], sum0[1], sum0[2], sum0[3]));
        wasm_v128_store(y1, fleet_narrow_x16(sum1[0], sum1[1], sum1[2], sum1[3]));
        return;
    }
    for (uint32_t v = 0; v < vectors; ++v) {
        fleet_store_int8_x4(y0 + 4 * v, sum0[v], channels - (int32_t)(4 * v));
        fleet_store_int8_x4(y1 + 4 * v, sum1[v], channels - (int32_t)(4 * v));
    }
}

void fleet_patch_dot_s8(const struct fleet_patch *patch, int32_t pixels, const int8_t *weights, const int32_t *bias,
                        const float *multipliers, const struct fleet_patch_output *out, int8_t *y)
{
    const struct fleet_to_int8_lanes q = fleet_to_int8_lanes_of(out->zero_point, out->min, out->max);
    const int32_t padded = (out->channels + 3) / 4 * 4;
    const int32_t depth = 2 * patch->pairs * patch->segments;

    for (int32_t c = 0; c < out->channels;) {
        const int32_t width = padded - c >= 16 ? 16 : padded - c >= 8 ? 8 : 4;
        const int32_t channels = out->channels - c;
        const int8_t *w = weights + c * depth;
        for (int32_t i = 0; i < pixels; i += 2) {
            /* The last pixel of an odd number is computed twice, to the same place. */
            const int32_t j = i + 1 < pixels ? i + 1 : i;
            const int16_t *x0 = patch->data + i * patch->pixel_step;
            const int16_t *x1 = patch->data + j * patch->pixel_step;
            int8_t *y0 = y + i * out->pixel_step + c;
            int8_t *y1 = y + j * out->pixel_step + c;
            if (width == 16) {
                dot_tile(x0, x1, patch, w, bias + c, multipliers + c, &q, channels, y0, y1, 4);
            } else if (width == 8) {
                dot_tile(x0, x1, patch, w, bias + c, multipliers + c, &q, channels, y0, y1, 2);
            } else {
                dot_tile(x0, x1, patch, w, bias + c, multipliers + c, &q, channels, y0, y1, 1);
            }
        }
        c += width;
    }
}

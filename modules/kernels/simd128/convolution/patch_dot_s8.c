#include "simd128/convolution/patch_dot_s8.h"

#include "fleet/scratch.h"
#include "simd128/common/requantize.h"
#include "simd128/common/unroll.h"

#define MAX_PIXELS 2
#define MAX_VECTORS 4

/* What a tile reads and writes: pixels x and y, packed weights, and constants of its channels. */
struct tile {
    const int16_t *x[MAX_PIXELS];
    int8_t *y[MAX_PIXELS];
    const int8_t *weights;
    const int32_t *bias;
    const float *multipliers;
    int32_t channels;
};

/* `pixels` times `vectors` vectors of four channels. At 2 × 4, eight sums, four weights and two activations fill the sixteen
 * registers of x86. */
static inline __attribute__((always_inline)) void dot_tile(const struct tile *t, const struct fleet_patch *patch,
                                                           const struct fleet_to_int8_lanes *q, uint32_t pixels,
                                                           uint32_t vectors)
{
    v128_t sum[MAX_PIXELS][MAX_VECTORS];
    FLEET_UNROLL
    for (uint32_t v = 0; v < vectors; ++v) {
        FLEET_UNROLL
        for (uint32_t i = 0; i < pixels; ++i) {
            sum[i][v] = wasm_v128_load(t->bias + 4 * v);
        }
    }
    const int8_t *weights = t->weights;
    for (int32_t s = 0; s < patch->segments; ++s) {
        const int16_t *x[MAX_PIXELS];
        FLEET_UNROLL
        for (uint32_t i = 0; i < pixels; ++i) {
            x[i] = t->x[i] + s * patch->segment_step;
        }
        for (int32_t k = patch->pairs; k > 0; --k) {
            v128_t pair[MAX_PIXELS];
            FLEET_UNROLL
            for (uint32_t i = 0; i < pixels; ++i) {
                pair[i] = wasm_v128_load32_splat(x[i]);
                x[i] += 2;
            }
            FLEET_UNROLL
            for (uint32_t v = 0; v < vectors; ++v) {
                const v128_t w = wasm_i16x8_load8x8(weights + 8 * v);
                FLEET_UNROLL
                for (uint32_t i = 0; i < pixels; ++i) {
                    sum[i][v] = wasm_i32x4_add(sum[i][v], wasm_i32x4_dot_i16x8(pair[i], w));
                }
            }
            weights += 8 * vectors;
        }
    }
    FLEET_UNROLL
    for (uint32_t i = 0; i < pixels; ++i) {
        FLEET_UNROLL
        for (uint32_t v = 0; v < vectors; ++v) {
            const v128_t m = wasm_v128_load(t->multipliers + 4 * v);
            sum[i][v] = fleet_to_int8_x4(wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sum[i][v]), m), q);
        }
        if (vectors == 4 && t->channels >= 16) {
            wasm_v128_store(t->y[i], fleet_narrow_x16(sum[i][0], sum[i][1], sum[i][2], sum[i][3]));
            continue;
        }
        FLEET_UNROLL
        for (uint32_t v = 0; v < vectors; ++v) {
            fleet_store_int8_x4(t->y[i] + 4 * v, sum[i][v], t->channels - (int32_t)(4 * v));
        }
    }
}

void fleet_patch_dot_s8(const struct fleet_patch *patch, int32_t pixels, const int8_t *weights, const int32_t *bias,
                        const float *multipliers, const struct fleet_patch_output *out, int8_t *y)
{
    const struct fleet_to_int8_lanes q = fleet_to_int8_lanes_of(out->zero_point, out->min, out->max);
    const int32_t padded = FLEET_ROUND_UP(out->channels, 4);
    const int32_t depth = 2 * patch->pairs * patch->segments;

    for (int32_t c = 0; c < out->channels;) {
        const int32_t width = padded - c >= 16 ? 16 : padded - c >= 8 ? 8 : 4;
        for (int32_t i = 0; i < pixels; i += 2) {
            /* Beyond the last pixel of an odd number the last is computed twice, to the same place. */
            const int32_t j = FLEET_MIN(i + 1, pixels - 1);
            const struct tile t = {
                {patch->data + i * patch->pixel_step, patch->data + j * patch->pixel_step},
                {y + i * out->pixel_step + c, y + j * out->pixel_step + c},
                weights + c * depth,
                bias + c,
                multipliers + c,
                out->channels - c,
            };
            if (width == 16) {
                /* Worth code of its own: most of the time of a product with one row goes here. */
                if (i == j) {
                    dot_tile(&t, patch, &q, 1, 4);
                } else {
                    dot_tile(&t, patch, &q, 2, 4);
                }
            } else if (width == 8) {
                dot_tile(&t, patch, &q, 2, 2);
            } else {
                dot_tile(&t, patch, &q, 2, 1);
            }
        }
        c += width;
    }
}

#include "simd128/convolution/patch_dot_s8.h"

#include <stdbool.h>

#include "simd128/common/requantize.h"
#include "simd128/common/unroll.h"

#define PATCH_PIXELS 4
#define PATCH_VECTORS 2

/* One call of fleet_patch_dot_s8. */
struct product {
    const struct fleet_patch *patch;
    const int8_t *weights;
    int32_t first_segment, segments;
    const int32_t *bias;
    const float *multipliers;
    const struct fleet_patch_output *out;
    struct fleet_to_int8_lanes q;
};

/* What belongs to each output of a tile. */
struct pixels {
    const int16_t *x[PATCH_PIXELS];
    int8_t *y[PATCH_PIXELS];
};

void fleet_splat(const int16_t *x, int32_t count, int16_t *patch)
{
    for (int32_t i = 0; i < count; i += 8) {
        const v128_t pairs = wasm_v128_load(x + i);
        wasm_v128_store(patch, wasm_i32x4_shuffle(pairs, pairs, 0, 0, 0, 0));
        wasm_v128_store(patch + 8, wasm_i32x4_shuffle(pairs, pairs, 1, 1, 1, 1));
        wasm_v128_store(patch + 16, wasm_i32x4_shuffle(pairs, pairs, 2, 2, 2, 2));
        wasm_v128_store(patch + 24, wasm_i32x4_shuffle(pairs, pairs, 3, 3, 3, 3));
        patch += 32;
    }
}

/* Adds one pair of activations of each pixel, at x[i] + offset, times the weights of four channels in each vector. */
static inline __attribute__((always_inline)) void dot_pair(const int16_t *const *x, int32_t offset, const int8_t *weights,
                                                           uint32_t pixels, uint32_t vectors,
                                                           v128_t sum[PATCH_PIXELS][PATCH_VECTORS])
{
    v128_t w[PATCH_VECTORS];
    FLEET_UNROLL
    for (uint32_t v = 0; v < vectors; ++v) {
        w[v] = wasm_i16x8_load8x8(weights + 8 * v);
    }
    FLEET_UNROLL
    for (uint32_t i = 0; i < pixels; ++i) {
        const v128_t a = wasm_v128_load(x[i] + offset);
        FLEET_UNROLL
        for (uint32_t v = 0; v < vectors; ++v) {
            sum[i][v] = wasm_i32x4_add(sum[i][v], wasm_i32x4_dot_i16x8(a, w[v]));
        }
    }
}

/* All segments of `pixels` outputs times `vectors` vectors of four channels. At 4 × 2, eight sums, two weights and four
 * activations fit the sixteen registers of x86. */
static inline __attribute__((always_inline)) void dot_segments(const struct fleet_patch *patch, const int16_t *const *x,
                                                               const int8_t *weights, uint32_t pixels, uint32_t vectors,
                                                               v128_t sum[PATCH_PIXELS][PATCH_VECTORS])
{
    int32_t segments = patch->segments;
    int32_t offset = 0;
    do {
        const int16_t *at[PATCH_PIXELS];
        FLEET_UNROLL
        for (uint32_t i = 0; i < pixels; ++i) {
            at[i] = x[i] + offset;
        }
        offset += patch->segment_step;
        const int8_t *const end = weights + 8 * (int32_t)vectors * patch->pairs;
        const int8_t *const last = end - 8 * (int32_t)vectors;
        /* Two pairs a turn save addresses; the branch between them keeps the loads of the second behind the sums of the first. */
        for (;;) {
            dot_pair(at, 0, weights, pixels, vectors, sum);
            if (weights == last) {
                break;
            }
            dot_pair(at, 8, weights + 8 * vectors, pixels, vectors, sum);
            weights += 16 * vectors;
            FLEET_UNROLL
            for (uint32_t i = 0; i < pixels; ++i) {
                at[i] += 16;
            }
            if (weights == end) {
                break;
            }
        }
        weights = end;
    } while (--segments > 0);
}

static inline __attribute__((always_inline)) void dot_tile(const struct product *p, const struct pixels *at, int32_t c,
                                                           uint32_t pixels, uint32_t vectors)
{
    const int32_t segment = 2 * p->patch->pairs;
    const int8_t *weights = p->weights + segment * (c * p->segments + (int32_t)(4 * vectors) * p->first_segment);
    v128_t sum[PATCH_PIXELS][PATCH_VECTORS];
    FLEET_UNROLL
    for (uint32_t v = 0; v < vectors; ++v) {
        FLEET_UNROLL
        for (uint32_t i = 0; i < pixels; ++i) {
            sum[i][v] = wasm_v128_load(p->bias + c + 4 * v);
        }
    }
    dot_segments(p->patch, at->x, weights, pixels, vectors, sum);
    /* Engines give registers to what is live over a loop's end: through memory, the sums keep theirs within the loop. */
    int32_t sums[4 * PATCH_PIXELS * PATCH_VECTORS];
    FLEET_UNROLL
    for (uint32_t i = 0; i < pixels; ++i) {
        FLEET_UNROLL
        for (uint32_t v = 0; v < vectors; ++v) {
            wasm_v128_store(sums + 4 * (PATCH_VECTORS * i + v), sum[i][v]);
        }
    }
    __asm__ volatile("" : : "r"(sums) : "memory");
    v128_t m[PATCH_VECTORS];
    FLEET_UNROLL
    for (uint32_t v = 0; v < vectors; ++v) {
        m[v] = wasm_v128_load(p->multipliers + c + 4 * v);
    }
    v128_t bytes[PATCH_PIXELS];
    FLEET_UNROLL
    for (uint32_t i = 0; i < pixels; ++i) {
        FLEET_UNROLL
        for (uint32_t v = 0; v < vectors; ++v) {
            const v128_t complete = wasm_v128_load(sums + 4 * (PATCH_VECTORS * i + v));
            sum[i][v] = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(complete), m[v]);
        }
        bytes[i] = fleet_to_int8_x8(sum[i][0], sum[i][vectors - 1], &p->q);
    }
    const int32_t channels = p->out->channels - c;
    if (channels >= (int32_t)(4 * vectors)) {
        FLEET_UNROLL
        for (uint32_t i = 0; i < pixels; ++i) {
            if (vectors == 1) {
                wasm_v128_store32_lane(at->y[i] + c, bytes[i], 0);
            } else {
                wasm_v128_store64_lane(at->y[i] + c, bytes[i], 0);
            }
        }
        return;
    }
    FLEET_UNROLL
    for (uint32_t i = 0; i < pixels; ++i) {
        fleet_store_few(at->y[i] + c, bytes[i], channels);
    }
}

static inline __attribute__((always_inline)) struct pixels pixels_from(const struct product *p, int32_t first, uint32_t pixels)
{
    struct pixels result;
    FLEET_UNROLL
    for (uint32_t i = 0; i < pixels; ++i) {
        /* Beyond the last pixel the last is computed again, to the same place. */
        const int32_t pixel = FLEET_MIN(first + (int32_t)i, p->patch->pixels - 1);
        result.x[i] = p->patch->data + pixel * p->patch->pixel_step;
        result.y[i] = p->out->y + pixel * p->out->pixel_step;
    }
    return result;
}

/* All whole blocks of eight channels: one after the other, as what belongs to the pixels stays. */
static inline __attribute__((always_inline)) void dot_blocks(const struct product *p, int32_t first, uint32_t pixels)
{
    const struct pixels at = pixels_from(p, first, pixels);
    /* In memory: engines would compute what they have no registers for anew for each block of channels. */
    __asm__ volatile("" : : "r"(&at) : "memory");
    for (int32_t c = 0; c + 4 < p->out->channels; c += 8) {
        dot_tile(p, &at, c, pixels, 2);
    }
}

void fleet_patch_dot_s8(const struct fleet_patch *patch, const int8_t *weights, int32_t first_segment, int32_t segments,
                        const int32_t *bias, const float *multipliers, const struct fleet_patch_output *out)
{
    const struct product p = {
        patch, weights, first_segment, segments, bias, multipliers, out,
        fleet_to_int8_lanes_of(out->zero_point, out->min, out->max),
    };
    int32_t i = 0;
    for (; i + 1 < patch->pixels; i += 4) {
        dot_blocks(&p, i, 4);
    }
    if (i < patch->pixels) {
        dot_blocks(&p, i, 1);
    }
    const int32_t last = FLEET_ROUND_UP(out->channels, 4) - 4;
    if (last % 8 == 0) {
        for (i = 0; i < patch->pixels; ++i) {
            const struct pixels at = pixels_from(&p, i, 1);
            dot_tile(&p, &at, last, 1, 1);
        }
    }
}

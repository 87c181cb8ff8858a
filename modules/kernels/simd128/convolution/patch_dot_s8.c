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
    const fleet_activation *x[PATCH_PIXELS];
    int8_t *y[PATCH_PIXELS];
    const int32_t *excess;
};

#define VECTOR (4 * FLEET_LANE)

void fleet_splat(const fleet_activation *x, int32_t count, fleet_activation *patch)
{
    for (int32_t i = 0; i < count; i += VECTOR) {
        const v128_t lanes = wasm_v128_load(x + i);
        wasm_v128_store(patch, wasm_i32x4_shuffle(lanes, lanes, 0, 0, 0, 0));
        wasm_v128_store(patch + VECTOR, wasm_i32x4_shuffle(lanes, lanes, 1, 1, 1, 1));
        wasm_v128_store(patch + 2 * VECTOR, wasm_i32x4_shuffle(lanes, lanes, 2, 2, 2, 2));
        wasm_v128_store(patch + 3 * VECTOR, wasm_i32x4_shuffle(lanes, lanes, 3, 3, 3, 3));
        patch += 4 * VECTOR;
    }
}

static inline v128_t load_weights(const int8_t *weights)
{
#ifdef __wasm_relaxed_simd__
    return wasm_v128_load(weights);
#else
    return wasm_i16x8_load8x8(weights);
#endif
}

static inline v128_t add_dot(v128_t sum, v128_t x, v128_t weights)
{
#ifdef __wasm_relaxed_simd__
    return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(x, weights, sum);
#else
    return wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(x, weights));
#endif
}

v128_t fleet_excess(const fleet_activation *x, int32_t step, int32_t last, int32_t count)
{
    const v128_t offset = wasm_i8x16_splat(FLEET_CONV_S8_OFFSET);
    v128_t sum[PATCH_PIXELS];
    FLEET_UNROLL
    for (int32_t i = 0; i < PATCH_PIXELS; ++i) {
        const fleet_activation *const run = x + FLEET_MIN(i, last) * step;
        int32_t j = 0;
        sum[i] = wasm_i32x4_splat(0);
        for (; j + VECTOR <= count; j += VECTOR) {
            sum[i] = add_dot(sum[i], wasm_v128_load(run + j), offset);
        }
        for (; j < count; j += FLEET_LANE) {
            sum[i] = add_dot(sum[i], wasm_v128_load32_zero(run + j), offset);
        }
    }
    v128_t half[2];
    FLEET_UNROLL
    for (int32_t i = 0; i < 2; ++i) {
        const v128_t a = sum[2 * i];
        const v128_t b = sum[2 * i + 1];
        half[i] = wasm_i32x4_add(wasm_i32x4_shuffle(a, b, 0, 1, 4, 5), wasm_i32x4_shuffle(a, b, 2, 3, 6, 7));
    }
    return wasm_i32x4_add(wasm_i32x4_shuffle(half[0], half[1], 0, 2, 4, 6),
                          wasm_i32x4_shuffle(half[0], half[1], 1, 3, 5, 7));
}

/* Adds one lane of activations of each pixel, at x[i] + offset, times the weights of four channels in each vector. */
static inline __attribute__((always_inline)) void dot_lane(const fleet_activation *const *x, int32_t offset,
                                                           const int8_t *weights, uint32_t pixels, uint32_t vectors,
                                                           v128_t sum[PATCH_PIXELS][PATCH_VECTORS])
{
    v128_t w[PATCH_VECTORS];
    FLEET_UNROLL
    for (uint32_t v = 0; v < vectors; ++v) {
        w[v] = load_weights(weights + VECTOR * v);
    }
    FLEET_UNROLL
    for (uint32_t i = 0; i < pixels; ++i) {
        const v128_t a = wasm_v128_load(x[i] + offset);
        FLEET_UNROLL
        for (uint32_t v = 0; v < vectors; ++v) {
            sum[i][v] = add_dot(sum[i][v], a, w[v]);
        }
    }
}

/* All segments of `pixels` outputs times `vectors` vectors of four channels. At 4 × 2, eight sums, two weights and four
 * activations fit the sixteen registers of x86. */
static inline __attribute__((always_inline)) void dot_segments(const struct fleet_patch *patch, const fleet_activation *const *x,
                                                               const int8_t *weights, uint32_t pixels, uint32_t vectors,
                                                               v128_t sum[PATCH_PIXELS][PATCH_VECTORS])
{
    int32_t segments = patch->segments;
    int32_t offset = 0;
    do {
        const fleet_activation *at[PATCH_PIXELS];
        FLEET_UNROLL
        for (uint32_t i = 0; i < pixels; ++i) {
            at[i] = x[i] + offset;
        }
        offset += patch->segment_step;
        const int8_t *const end = weights + VECTOR * (int32_t)vectors * patch->lanes;
        const int8_t *const last = end - VECTOR * (int32_t)vectors;
        /* Two lanes a turn save addresses; the branch between them keeps the loads of the second behind the sums of the first. */
        for (;;) {
            dot_lane(at, 0, weights, pixels, vectors, sum);
            if (weights == last) {
                break;
            }
            dot_lane(at, VECTOR, weights + VECTOR * vectors, pixels, vectors, sum);
            weights += 2 * VECTOR * vectors;
            FLEET_UNROLL
            for (uint32_t i = 0; i < pixels; ++i) {
                at[i] += 2 * VECTOR;
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
    const int32_t segment = FLEET_LANE * p->patch->lanes;
    const int8_t *weights = p->weights + segment * (c * p->segments + (int32_t)(4 * vectors) * p->first_segment);
    v128_t sum[PATCH_PIXELS][PATCH_VECTORS];
    FLEET_UNROLL
    for (uint32_t v = 0; v < vectors; ++v) {
        FLEET_UNROLL
        for (uint32_t i = 0; i < pixels; ++i) {
            sum[i][v] = wasm_v128_load(p->bias + c + 4 * v);
            if (FLEET_CONV_S8_RELAXED) {
                sum[i][v] = wasm_i32x4_sub(sum[i][v], wasm_v128_load32_splat(at->excess + i));
            }
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

static inline __attribute__((always_inline)) void find_pixels(const struct product *p, int32_t first, uint32_t pixels,
                                                              struct pixels *at)
{
    at->excess = p->patch->excess + first;
    FLEET_UNROLL
    for (uint32_t i = 0; i < pixels; ++i) {
        /* Beyond the last pixel the last is computed again, to the same place. */
        const int32_t pixel = FLEET_MIN(first + (int32_t)i, p->patch->pixels - 1);
        at->x[i] = p->patch->data + pixel * p->patch->pixel_step;
        at->y[i] = p->out->y + pixel * p->out->pixel_step;
    }
}

/* All whole blocks of eight channels: one after the other, as what belongs to the pixels stays. */
static inline __attribute__((always_inline)) void dot_blocks(const struct product *p, int32_t first, uint32_t pixels)
{
    struct pixels at;
    find_pixels(p, first, pixels, &at);
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
            struct pixels at;
            find_pixels(&p, i, 1, &at);
            dot_tile(&p, &at, last, 1, 1);
        }
    }
}

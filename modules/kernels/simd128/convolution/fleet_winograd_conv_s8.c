/* F(2×2, 3×3) of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015), in integers: 16 products for four
 * outputs of a channel pair instead of 36. G is doubled on both sides, so sums are four times the convolution's; they may wrap
 * on the way, as 4·sum itself fits an int32. */
#include <stdbool.h>

#include "fleet_kernels.h"
#include "simd128/common/requantize.h"
#include "simd128/common/unroll.h"

#define WINOGRAD_POINTS 16
#define WINOGRAD_OC 16
#define WINOGRAD_VECTORS 4

/* Elements between the points, lest powers of two put all points of a channel into one set of the cache. */
#define WINOGRAD_PAD 32

/* (2G) g (2G)^T of one vector: four output channels times a pair of input channels. taps are `step` bytes apart. */
static void transform_weights(const int8_t *taps, int32_t step, int16_t *out, int32_t point_step)
{
    v128_t rows[4][3];
    for (int32_t kw = 0; kw < 3; ++kw) {
        const v128_t a = wasm_i16x8_load8x8(taps + kw * step);
        const v128_t b = wasm_i16x8_load8x8(taps + (3 + kw) * step);
        const v128_t c = wasm_i16x8_load8x8(taps + (6 + kw) * step);
        const v128_t ends = wasm_i16x8_add(a, c);
        rows[0][kw] = wasm_i16x8_shl(a, 1);
        rows[1][kw] = wasm_i16x8_add(ends, b);
        rows[2][kw] = wasm_i16x8_sub(ends, b);
        rows[3][kw] = wasm_i16x8_shl(c, 1);
    }
    FLEET_UNROLL
    for (int32_t i = 0; i < 4; ++i) {
        const v128_t ends = wasm_i16x8_add(rows[i][0], rows[i][2]);
        wasm_v128_store(out, wasm_i16x8_shl(rows[i][0], 1));
        wasm_v128_store(out + point_step, wasm_i16x8_add(ends, rows[i][1]));
        wasm_v128_store(out + 2 * point_step, wasm_i16x8_sub(ends, rows[i][1]));
        wasm_v128_store(out + 3 * point_step, wasm_i16x8_shl(rows[i][2], 1));
        out += 4 * point_step;
    }
}

/* B^T d B of the 4×4 inputs of one tile, whose first is at (top, left): [point][tile][channel]. */
static void transform_input(const struct fleet_window *w, const int8_t *x, int32_t top, int32_t left, int32_t zero_point,
                            int16_t *out, int32_t point_step)
{
    const v128_t zero = wasm_i16x8_splat((int16_t)zero_point);
    for (int32_t c = 0; c < w->in_c; c += 8) {
        v128_t d[4][4];
        FLEET_UNROLL
        for (int32_t i = 0; i < 4; ++i) {
            FLEET_UNROLL
            for (int32_t j = 0; j < 4; ++j) {
                const bool inside = top + i >= 0 && top + i < w->in_h && left + j >= 0 && left + j < w->in_w;
                d[i][j] = inside ? wasm_i16x8_sub(wasm_i16x8_load8x8(x + ((top + i) * w->in_w + left + j) * w->in_c + c), zero)
                                 : wasm_i16x8_splat(0);
            }
        }
        v128_t rows[4][4];
        FLEET_UNROLL
        for (int32_t j = 0; j < 4; ++j) {
            rows[0][j] = wasm_i16x8_sub(d[0][j], d[2][j]);
            rows[1][j] = wasm_i16x8_add(d[1][j], d[2][j]);
            rows[2][j] = wasm_i16x8_sub(d[2][j], d[1][j]);
            rows[3][j] = wasm_i16x8_sub(d[1][j], d[3][j]);
        }
        FLEET_UNROLL
        for (int32_t i = 0; i < 4; ++i) {
            int16_t *point = out + 4 * i * point_step + c;
            wasm_v128_store(point, wasm_i16x8_sub(rows[i][0], rows[i][2]));
            wasm_v128_store(point + point_step, wasm_i16x8_add(rows[i][1], rows[i][2]));
            wasm_v128_store(point + 2 * point_step, wasm_i16x8_sub(rows[i][2], rows[i][1]));
            wasm_v128_store(point + 3 * point_step, wasm_i16x8_sub(rows[i][1], rows[i][3]));
        }
    }
}

/* One point of two tiles, all products: in_c activations each, weights [in_c / 2][WINOGRAD_OC][2]. */
static void dot_point(const int16_t *first, const int16_t *second, const int16_t *weights, int32_t in_c, int32_t *first_sums,
                      int32_t *second_sums)
{
    v128_t sum[2][WINOGRAD_VECTORS];
    FLEET_UNROLL
    for (int32_t v = 0; v < WINOGRAD_VECTORS; ++v) {
        sum[0][v] = sum[1][v] = wasm_i32x4_splat(0);
    }
#define WINOGRAD_PAIR(k)                                                                     \
    {                                                                                        \
        const v128_t x = wasm_i32x4_shuffle(a, a, k, k, k, k);                               \
        const v128_t y = wasm_i32x4_shuffle(b, b, k, k, k, k);                               \
        FLEET_UNROLL                                                                         \
        for (int32_t v = 0; v < WINOGRAD_VECTORS; ++v) {                                     \
            const v128_t w = wasm_v128_load(weights + 2 * WINOGRAD_OC * (k) + 8 * v);        \
            sum[0][v] = wasm_i32x4_add(sum[0][v], wasm_i32x4_dot_i16x8(x, w));               \
            sum[1][v] = wasm_i32x4_add(sum[1][v], wasm_i32x4_dot_i16x8(y, w));               \
        }                                                                                    \
    }
    for (int32_t c = 0; c < in_c; c += 8) {
        const v128_t a = wasm_v128_load(first + c);
        const v128_t b = wasm_v128_load(second + c);
        WINOGRAD_PAIR(0)
        WINOGRAD_PAIR(1)
        WINOGRAD_PAIR(2)
        WINOGRAD_PAIR(3)
        weights += 8 * WINOGRAD_OC;
    }
#undef WINOGRAD_PAIR
    FLEET_UNROLL
    for (int32_t v = 0; v < WINOGRAD_VECTORS; ++v) {
        wasm_v128_store(first_sums + 4 * v, sum[0][v]);
        wasm_v128_store(second_sums + 4 * v, sum[1][v]);
    }
}

/* A^T m A of one tile and four channels, a quarter of it: the four sums of the convolution without bias. */
static void transform_sums(const int32_t *points, int32_t point_step, v128_t out[2][2])
{
    v128_t rows[2][4];
    FLEET_UNROLL
    for (int32_t j = 0; j < 4; ++j) {
        const v128_t a = wasm_v128_load(points + j * point_step);
        const v128_t b = wasm_v128_load(points + (4 + j) * point_step);
        const v128_t c = wasm_v128_load(points + (8 + j) * point_step);
        const v128_t d = wasm_v128_load(points + (12 + j) * point_step);
        rows[0][j] = wasm_i32x4_add(wasm_i32x4_add(a, b), c);
        rows[1][j] = wasm_i32x4_sub(wasm_i32x4_sub(b, c), d);
    }
    FLEET_UNROLL
    for (int32_t i = 0; i < 2; ++i) {
        out[i][0] = wasm_i32x4_shr(wasm_i32x4_add(wasm_i32x4_add(rows[i][0], rows[i][1]), rows[i][2]), 2);
        out[i][1] = wasm_i32x4_shr(wasm_i32x4_sub(wasm_i32x4_sub(rows[i][1], rows[i][2]), rows[i][3]), 2);
    }
}

void fleet_winograd_conv_s8(const struct fleet_conv_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                            const float *multipliers, int8_t *y, void *scratch)
{
    const struct fleet_window *w = &p->window;
    const struct fleet_to_int8_lanes q = fleet_to_int8_lanes_of(p->out_zero_point, p->out_min, p->out_max);
    const int32_t columns = (w->out_w + 1) / 2;
    const int32_t image = (w->out_h + 1) / 2 * columns;
    const int32_t tiles = w->batch * image;
    int16_t *const inputs = scratch; /* [point][tile][in_c] */
    const int32_t input_step = p->patch_pixels * w->in_c + WINOGRAD_PAD;
    int16_t *const packed = inputs + WINOGRAD_POINTS * input_step; /* [point][in_c / 2][WINOGRAD_OC][2] */
    const int32_t packed_step = w->in_c * WINOGRAD_OC + WINOGRAD_PAD;
    int32_t *const sums = (int32_t *)(packed + WINOGRAD_POINTS * packed_step); /* [tile][point][WINOGRAD_OC] */

    for (int32_t first = 0; first < tiles; first += p->patch_pixels) {
        const int32_t count = FLEET_MIN(p->patch_pixels, tiles - first);
        for (int32_t t = 0; t < count; ++t) {
            const int32_t at = (first + t) % image;
            transform_input(w, x + (first + t) / image * w->in_h * w->in_w * w->in_c, at / columns * 2 - w->pad_top,
                            at % columns * 2 - w->pad_left, p->in_zero_point, inputs + t * w->in_c, input_step);
        }
        const int8_t *taps = weights;
        for (int32_t oc = 0; oc < w->out_c; oc += WINOGRAD_OC) {
            for (int32_t pair = 0; pair < w->in_c / 2; ++pair) {
                for (int32_t v = 0; v < WINOGRAD_VECTORS; ++v) {
                    transform_weights(taps + 8 * v, 2 * WINOGRAD_OC, packed + pair * 2 * WINOGRAD_OC + 8 * v, packed_step);
                }
                taps += 9 * 2 * WINOGRAD_OC;
            }
            for (int32_t point = 0; point < WINOGRAD_POINTS; ++point) {
                for (int32_t t = 0; t < count; t += 2) {
                    const int32_t u = FLEET_MIN(t + 1, count - 1);
                    const int16_t *a = inputs + point * input_step;
                    int32_t *to = sums + point * WINOGRAD_OC;
                    dot_point(a + t * w->in_c, a + u * w->in_c, packed + point * packed_step, w->in_c,
                              to + t * WINOGRAD_POINTS * WINOGRAD_OC, to + u * WINOGRAD_POINTS * WINOGRAD_OC);
                }
            }
            for (int32_t t = 0; t < count; ++t) {
                const int32_t at = (first + t) % image;
                const int32_t oh = at / columns * 2;
                const int32_t ow = at % columns * 2;
                int8_t *tile = y + (((first + t) / image * w->out_h + oh) * w->out_w + ow) * w->out_c + oc;
                for (int32_t v = 0; v < WINOGRAD_VECTORS; ++v) {
                    v128_t out[2][2];
                    transform_sums(sums + t * WINOGRAD_POINTS * WINOGRAD_OC + 4 * v, WINOGRAD_OC, out);
                    const v128_t b = wasm_v128_load(bias + oc + 4 * v);
                    const v128_t m = wasm_v128_load(multipliers + oc + 4 * v);
                    for (int32_t i = 0; i < FLEET_MIN(2, w->out_h - oh); ++i) {
                        for (int32_t j = 0; j < FLEET_MIN(2, w->out_w - ow); ++j) {
                            const v128_t sum = wasm_f32x4_convert_i32x4(wasm_i32x4_add(out[i][j], b));
                            const v128_t product = wasm_f32x4_mul(sum, m);
                            wasm_v128_store32_lane(tile + (i * w->out_w + j) * w->out_c + 4 * v,
                                                   fleet_to_int8_x8(product, product, &q), 0);
                        }
                    }
                }
            }
        }
    }
}

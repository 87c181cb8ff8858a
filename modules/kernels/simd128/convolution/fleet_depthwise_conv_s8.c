#include "common/window.h"
#include "fleet_kernels.h"
#include "simd128/common/requantize.h"
#include "simd128/common/widen.h"

/* Channels of a patch at most. */
#define MAX_BLOCK 64

/* Taps of a 3×3 kernel: two pairs of rows, three columns. */
#define TAPS_3X3 6

/* Pairs of input rows, interleaved so that one dot product multiplies two rows: [pair][column][channel][2] int16. */
struct rows {
    const int16_t *data;
    int32_t pair_step, pixel_step, tap_step; /* in int16 elements: to the next pair, output and tap */
};

/* Four channels of one line of outputs. */
struct line {
    int8_t *y;
    int32_t pixels;
    int32_t pixel_step; /* bytes */
    int32_t channels;   /* that exist */
    v128_t bias, multipliers;
};

/* One pair of input rows for `columns` columns from `left` on. What lies outside the input (rows there are NULL) is `padding`. */
static void interleave_rows(const struct fleet_window *w, const int8_t *upper, const int8_t *lower, const int8_t *padding,
                            int32_t left, int32_t columns, int32_t channels, int32_t channel_step, v128_t zero_point, int16_t *out)
{
    for (int32_t column = left; column < left + columns; ++column) {
        const int inside = column >= 0 && column < w->in_w;
        const int8_t *a = inside && upper ? upper + column * w->in_c : padding;
        const int8_t *b = inside && lower ? lower + column * w->in_c : padding;
        int16_t *pairs = out;
        int32_t c = channels;
        for (; c >= 8; c -= 8) {
            const v128_t above = wasm_i16x8_sub(wasm_i16x8_load8x8(a), zero_point);
            const v128_t below = wasm_i16x8_sub(wasm_i16x8_load8x8(b), zero_point);
            wasm_v128_store(pairs, wasm_i16x8_shuffle(above, below, 0, 8, 1, 9, 2, 10, 3, 11));
            wasm_v128_store(pairs + 8, wasm_i16x8_shuffle(above, below, 4, 12, 5, 13, 6, 14, 7, 15));
            a += 8;
            b += 8;
            pairs += 16;
        }
        for (; c > 0; --c) {
            const int16_t zero = wasm_i16x8_extract_lane(zero_point, 0);
            *pairs++ = (int16_t)(*a++ - zero);
            *pairs++ = (int16_t)(*b++ - zero);
        }
        out += 2 * channel_step;
    }
}

static inline void store_outputs(const struct line *line, int32_t i, v128_t sum, const struct fleet_to_int8_lanes *q)
{
    const v128_t v = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sum), line->multipliers);
    fleet_store_int8_x4(line->y + i * line->pixel_step, fleet_to_int8_x4(v, q), line->channels);
}

/* A 3×3 kernel, its weights in registers. */
static void line_3x3(const struct rows *rows, const struct line *line, const v128_t taps[TAPS_3X3],
                     const struct fleet_to_int8_lanes *q)
{
    const v128_t t0 = taps[0], t1 = taps[1], t2 = taps[2], t3 = taps[3], t4 = taps[4], t5 = taps[5];
    const int16_t *x = rows->data;
    for (int32_t i = 0; i < line->pixels; ++i) {
        const int16_t *lower = x + rows->pair_step;
        v128_t sum = wasm_i32x4_add(line->bias, wasm_i32x4_dot_i16x8(wasm_v128_load(x), t0));
        sum = wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(wasm_v128_load(x + rows->tap_step), t1));
        sum = wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(wasm_v128_load(x + 2 * rows->tap_step), t2));
        sum = wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(wasm_v128_load(lower), t3));
        sum = wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(wasm_v128_load(lower + rows->tap_step), t4));
        sum = wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(wasm_v128_load(lower + 2 * rows->tap_step), t5));
        store_outputs(line, i, sum, q);
        x += rows->pixel_step;
    }
}

/* The outputs one row further down need weights one row further down: [w0, w1], [w2, 0] become [0, w0], [w1, w2]. */
static void shift_taps_down(v128_t taps[TAPS_3X3])
{
    for (int32_t kw = 0; kw < 3; ++kw) {
        const v128_t upper = taps[kw];
        taps[kw] = wasm_i32x4_shl(upper, 16);
        taps[3 + kw] = wasm_v128_or(wasm_u32x4_shr(upper, 16), wasm_i32x4_shl(taps[3 + kw], 16));
    }
}

static void line_of_any_kernel(const struct rows *rows, const struct line *line, const int8_t *weights, int32_t row_pairs,
                               int32_t kernel_w, const struct fleet_to_int8_lanes *q)
{
    for (int32_t i = 0; i < line->pixels; ++i) {
        v128_t sum = line->bias;
        const int8_t *w = weights;
        for (int32_t r = 0; r < row_pairs; ++r) {
            const int16_t *x = rows->data + i * rows->pixel_step + r * rows->pair_step;
            for (int32_t kw = 0; kw < kernel_w; ++kw) {
                sum = wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(wasm_v128_load(x), wasm_i16x8_load8x8(w)));
                x += rows->tap_step;
                w += 8;
            }
        }
        store_outputs(line, i, sum, q);
    }
}

void fleet_depthwise_conv_s8(const struct fleet_conv_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                             const float *multipliers, int8_t *y, void *scratch)
{
    const struct fleet_window *w = &p->window;
    const struct fleet_to_int8_lanes q = fleet_to_int8_lanes_of(p->out_zero_point, p->out_min, p->out_max);
    const int32_t row_pairs = (w->kernel_h + 1) / 2;
    const int32_t extent = (w->kernel_w - 1) * w->dilation_w + 1;
    const int32_t block = FLEET_DEPTHWISE_CONV_S8_CHANNELS(w->out_c, w->kernel_h, extent);
    const int32_t most_pixels = FLEET_DEPTHWISE_CONV_S8_PIXELS(w->out_w, w->out_c, w->kernel_h, w->stride_w, extent);
    const int32_t in_row = w->in_w * w->in_c;
    const int32_t out_row = w->out_w * w->out_c;
    int8_t padding[MAX_BLOCK];
    for (int32_t c = 0; c < MAX_BLOCK; ++c) {
        padding[c] = (int8_t)p->in_zero_point;
    }
    const int is_3x3 = w->kernel_h == 3 && w->kernel_w == 3;
    /* The four rows that two pairs hold are what two lines of a 3×3 kernel need. */
    const int32_t lines = is_3x3 && w->stride_h == 1 && w->dilation_h == 1 ? 2 : 1;

    for (int32_t n = 0; n < w->batch; ++n) {
        for (int32_t oh = 0; oh < w->out_h; oh += lines) {
            const int32_t top = oh * w->stride_h - w->pad_top;
            for (int32_t ow = 0; ow < w->out_w; ow += most_pixels) {
                const int32_t pixels = FLEET_MIN(most_pixels, w->out_w - ow);
                const int32_t columns = (pixels - 1) * w->stride_w + extent;
                for (int32_t c0 = 0; c0 < w->out_c; c0 += block) {
                    const int32_t channels = FLEET_MIN(block, w->out_c - c0);
                    struct rows rows = {scratch, 2 * columns * block, 2 * w->stride_w * block, 2 * w->dilation_w * block};
                    for (int32_t r = 0; r < row_pairs; ++r) {
                        /* With an odd kernel the last lower row meets zero weights, unless a second line needs it. */
                        const int32_t upper = top + 2 * r * w->dilation_h;
                        const int32_t lower = upper + w->dilation_h;
                        const int8_t *plane = x + n * w->in_h * in_row + c0;
                        interleave_rows(w, upper >= 0 && upper < w->in_h ? plane + upper * in_row : (const int8_t *)0,
                                        lower >= 0 && lower < w->in_h ? plane + lower * in_row : (const int8_t *)0,
                                        padding, ow * w->stride_w - w->pad_left, columns, channels, block,
                                        wasm_i16x8_splat((int16_t)p->in_zero_point), (int16_t *)scratch + r * rows.pair_step);
                    }
                    for (int32_t c = c0; c < c0 + channels; c += 4) {
                        const int8_t *packed = weights + c * row_pairs * w->kernel_w * 2;
                        struct line line = {
                            y + ((n * w->out_h + oh) * w->out_w + ow) * w->out_c + c,
                            pixels,
                            w->out_c,
                            w->out_c - c,
                            wasm_v128_load(bias + c),
                            wasm_v128_load(multipliers + c),
                        };
                        if (is_3x3) {
                            v128_t taps[TAPS_3X3];
                            for (int32_t t = 0; t < TAPS_3X3; ++t) {
                                taps[t] = wasm_i16x8_load8x8(packed + 8 * t);
                            }
                            line_3x3(&rows, &line, taps, &q);
                            if (lines == 2 && oh + 1 < w->out_h) {
                                shift_taps_down(taps);
                                line.y += out_row;
                                line_3x3(&rows, &line, taps, &q);
                            }
                        } else {
                            line_of_any_kernel(&rows, &line, packed, row_pairs, w->kernel_w, &q);
                        }
                        rows.data += 8;
                    }
                }
            }
        }
    }
}

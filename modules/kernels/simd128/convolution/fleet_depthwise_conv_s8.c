#include <stdbool.h>

#include "common/window.h"
#include "fleet_kernels.h"
#include "simd128/common/requantize.h"
#include "simd128/common/unroll.h"

/* Channels that are computed at a time. */
#define BLOCK 8

/* Taps of a 3×3 kernel: two pairs of rows, three columns, two vectors of four channels. */
#define TAPS_3X3 12

/* Pairs of input rows, interleaved so that one dot product multiplies two rows: [pair][column][BLOCK][2] int16. */
struct rows {
    const int16_t *data;
    int32_t pair_step, pixel_step, tap_step; /* in int16 elements: to the next pair, output and tap */
};

/* One line of outputs of a block. */
struct line {
    int8_t *y;
    int32_t pixels;
    int32_t pixel_step; /* bytes */
    int32_t channels;   /* that exist */
    v128_t bias[2], multipliers[2];
};

static int16_t *interleave_padding(int32_t columns, int16_t *out)
{
    for (int32_t i = 0; i < 2 * columns; ++i) {
        wasm_v128_store(out, wasm_i16x8_splat(0));
        out += 8;
    }
    return out;
}

/* One pair of input rows, of which NULL is one above or below the input. Zeros stand for what lies outside. */
static void interleave_rows(const struct fleet_window *w, const int8_t *upper, const int8_t *lower, int32_t left,
                            int32_t columns, int32_t channels, int32_t zero_point, int16_t *out)
{
    const v128_t zero = wasm_i16x8_splat((int16_t)zero_point);
    int8_t outside[BLOCK];
    for (int32_t c = 0; c < BLOCK; ++c) {
        outside[c] = (int8_t)zero_point;
    }
    const struct fleet_range range = fleet_range_inside(left, columns, 1, w->in_w);
    const int32_t inside = fleet_range_count(range);
    const int32_t before = inside ? range.first : columns;
    const int32_t skipped = inside ? (left + before) * w->in_c : 0;
    const int8_t *a = upper ? upper + skipped : outside;
    const int8_t *b = lower ? lower + skipped : outside;
    const int32_t a_step = upper ? w->in_c : 0;
    const int32_t b_step = lower ? w->in_c : 0;

    out = interleave_padding(before, out);
    for (int32_t i = 0; i < inside; ++i) {
        if (channels >= BLOCK) {
            const v128_t above = wasm_i16x8_sub(wasm_i16x8_load8x8(a), zero);
            const v128_t below = wasm_i16x8_sub(wasm_i16x8_load8x8(b), zero);
            wasm_v128_store(out, wasm_i16x8_shuffle(above, below, 0, 8, 1, 9, 2, 10, 3, 11));
            wasm_v128_store(out + 8, wasm_i16x8_shuffle(above, below, 4, 12, 5, 13, 6, 14, 7, 15));
        } else {
            for (int32_t c = 0; c < channels; ++c) {
                out[2 * c] = (int16_t)(a[c] - zero_point);
                out[2 * c + 1] = (int16_t)(b[c] - zero_point);
            }
        }
        a += a_step;
        b += b_step;
        out += 2 * BLOCK;
    }
    interleave_padding(columns - before - inside, out);
}

static __attribute__((always_inline)) inline void store_outputs(const struct line *line, int32_t i, const v128_t sum[2], const struct fleet_to_int8_lanes *q)
{
    int8_t *y = line->y + i * line->pixel_step;
    const v128_t low = fleet_to_int8_x4(wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sum[0]), line->multipliers[0]), q);
    const v128_t high = fleet_to_int8_x4(wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sum[1]), line->multipliers[1]), q);
    if (line->channels >= BLOCK) {
        fleet_store_int8_x8(y, low, high);
        return;
    }
    fleet_store_int8_x4(y, low, line->channels);
    if (line->channels > 4) {
        fleet_store_int8_x4(y + 4, high, line->channels - 4);
    }
}

/* A 3×3 kernel, its taps in registers or on the engine's stack. Everything is copied first: a store of bytes might alias it. */
static __attribute__((noinline)) void line_3x3(const struct rows *of_rows, const struct line *of_line,
                                               const v128_t taps[TAPS_3X3], const struct fleet_to_int8_lanes *of_q)
{
    const struct rows rows = *of_rows;
    const struct line line = *of_line;
    const struct fleet_to_int8_lanes q = *of_q;
    v128_t t[TAPS_3X3];
    FLEET_UNROLL
    for (int32_t i = 0; i < TAPS_3X3; ++i) {
        t[i] = taps[i];
    }
    const int16_t *x = rows.data;
    for (int32_t i = 0; i < line.pixels; ++i) {
        v128_t sum[2] = {line.bias[0], line.bias[1]};
        FLEET_UNROLL
        for (int32_t tap = 0; tap < TAPS_3X3 / 2; ++tap) {
            const int16_t *at = x + tap / 3 * rows.pair_step + tap % 3 * rows.tap_step;
            sum[0] = wasm_i32x4_add(sum[0], wasm_i32x4_dot_i16x8(wasm_v128_load(at), t[2 * tap]));
            sum[1] = wasm_i32x4_add(sum[1], wasm_i32x4_dot_i16x8(wasm_v128_load(at + 8), t[2 * tap + 1]));
        }
        store_outputs(&line, i, sum, &q);
        x += rows.pixel_step;
    }
}

/* The outputs one row further down need weights one row further down: [w0, w1], [w2, 0] become [0, w0], [w1, w2]. */
static void shift_taps_down(v128_t taps[TAPS_3X3])
{
    for (int32_t i = 0; i < TAPS_3X3 / 2; ++i) {
        const v128_t upper = taps[i];
        taps[i] = wasm_i32x4_shl(upper, 16);
        taps[TAPS_3X3 / 2 + i] = wasm_v128_or(wasm_u32x4_shr(upper, 16), wasm_i32x4_shl(taps[TAPS_3X3 / 2 + i], 16));
    }
}

/* low, high: taps of the two vectors. */
static void line_of_any_kernel(const struct rows *rows, const struct line *line, const int8_t *low, const int8_t *high,
                               int32_t row_pairs, int32_t kernel_w, const struct fleet_to_int8_lanes *q)
{
    for (int32_t i = 0; i < line->pixels; ++i) {
        v128_t sum[2] = {line->bias[0], line->bias[1]};
        int32_t tap = 0;
        for (int32_t r = 0; r < row_pairs; ++r) {
            const int16_t *x = rows->data + i * rows->pixel_step + r * rows->pair_step;
            for (int32_t kw = 0; kw < kernel_w; ++kw) {
                sum[0] = wasm_i32x4_add(sum[0], wasm_i32x4_dot_i16x8(wasm_v128_load(x), wasm_i16x8_load8x8(low + tap)));
                sum[1] = wasm_i32x4_add(sum[1], wasm_i32x4_dot_i16x8(wasm_v128_load(x + 8), wasm_i16x8_load8x8(high + tap)));
                x += rows->tap_step;
                tap += 8;
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
    _Alignas(16) int8_t stack[FLEET_STACK_PATCH];
    int16_t *patch = scratch ? scratch : (void *)stack;
    const int32_t row_pairs = (w->kernel_h + 1) / 2;
    const int32_t extent = (w->kernel_w - 1) * w->dilation_w + 1;
    const int32_t in_row = w->in_w * w->in_c;
    const int32_t taps_step = row_pairs * w->kernel_w * 8; /* bytes to the next four channels */
    const bool is_3x3 = w->kernel_h == 3 && w->kernel_w == 3;
    /* The four rows that two pairs hold are what two lines of a 3×3 kernel need. */
    const int32_t lines = is_3x3 && w->stride_h == 1 && w->dilation_h == 1 ? 2 : 1;

    const int32_t groups = (w->out_h + lines - 1) / lines;
    const int32_t patches = (w->out_w + p->patch_pixels - 1) / p->patch_pixels;
    for (int32_t i = 0; i < w->batch * groups; ++i) {
        const int32_t at = p->backwards ? w->batch * groups - 1 - i : i;
        const int32_t n = at / groups;
        const int32_t oh = at % groups * lines;
        const int32_t top = oh * w->stride_h - w->pad_top;
        for (int32_t j = 0; j < patches; ++j) {
            const int32_t ow = (p->backwards ? patches - 1 - j : j) * p->patch_pixels;
            const int32_t pixels = FLEET_MIN(p->patch_pixels, w->out_w - ow);
            const int32_t columns = (pixels - 1) * w->stride_w + extent;
            const struct rows rows = {
                patch, 2 * columns * BLOCK, 2 * w->stride_w * BLOCK, 2 * w->dilation_w * BLOCK,
            };
            for (int32_t c = 0; c < w->out_c; c += BLOCK) {
                const int32_t channels = FLEET_MIN(BLOCK, w->out_c - c);
                for (int32_t r = 0; r < row_pairs; ++r) {
                    /* With an odd kernel the last lower row meets zero weights, unless a second line needs it. */
                    const int32_t upper = top + 2 * r * w->dilation_h;
                    const int32_t lower = upper + w->dilation_h;
                    const int8_t *plane = x + n * w->in_h * in_row + c;
                    interleave_rows(w, upper >= 0 && upper < w->in_h ? plane + upper * in_row : (const int8_t *)0,
                                    lower >= 0 && lower < w->in_h ? plane + lower * in_row : (const int8_t *)0,
                                    ow * w->stride_w - w->pad_left, columns, channels, p->in_zero_point,
                                    patch + r * rows.pair_step);
                }
                /* The second vector of a last block of four or less is the first again, and not stored. */
                const int32_t second = channels > 4 ? 4 : 0;
                const int8_t *low = weights + c / 4 * taps_step;
                const int8_t *high = low + second / 4 * taps_step;
                struct line line = {
                    y + ((n * w->out_h + oh) * w->out_w + ow) * w->out_c + c,
                    pixels,
                    w->out_c,
                    channels,
                    {wasm_v128_load(bias + c), wasm_v128_load(bias + c + second)},
                    {wasm_v128_load(multipliers + c), wasm_v128_load(multipliers + c + second)},
                };
                if (!is_3x3) {
                    line_of_any_kernel(&rows, &line, low, high, row_pairs, w->kernel_w, &q);
                    continue;
                }
                v128_t taps[TAPS_3X3];
                for (int32_t t = 0; t < TAPS_3X3 / 2; ++t) {
                    taps[2 * t] = wasm_i16x8_load8x8(low + 8 * t);
                    taps[2 * t + 1] = wasm_i16x8_load8x8(high + 8 * t);
                }
                line_3x3(&rows, &line, taps, &q);
                if (lines == 2 && oh + 1 < w->out_h) {
                    shift_taps_down(taps);
                    line.y += w->out_w * w->out_c;
                    line_3x3(&rows, &line, taps, &q);
                }
            }
        }
    }
}

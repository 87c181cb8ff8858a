#include "fleet_kernels.h"
#include "simd128/common/requantize.h"
#include "simd128/common/widen.h"

/* Taps whose weights are kept in registers. */
#define MAX_TAPS 6

/* Interleaved pairs of kernel rows, [pair][column][channel][2] int16, so that one dot product multiplies two rows. */
struct rows {
    const int16_t *data;
    int32_t columns, channels;
};

/* Interleaves input rows `upper` and `lower` (NULL outside the input) for columns left … left + columns − 1. Channels beyond
 * `count` are left as they are: they meet zero weights. */
static void interleave_rows(const struct fleet_window *w, const int8_t *upper, const int8_t *lower, int32_t left, int32_t count,
                            int32_t zero_point, const struct rows *rows, int16_t *out)
{
    const v128_t zero = wasm_i16x8_splat((int16_t)zero_point);
    for (int32_t column = left; column < left + rows->columns; ++column) {
        const int inside = column >= 0 && column < w->in_w;
        const int8_t *above = inside && upper ? upper + column * w->in_c : (const int8_t *)0;
        const int8_t *below = inside && lower ? lower + column * w->in_c : (const int8_t *)0;
        int32_t c = 0;
        for (; c + 8 <= count; c += 8) {
            const v128_t a = above ? wasm_i16x8_sub(wasm_i16x8_load8x8(above + c), zero) : wasm_i16x8_splat(0);
            const v128_t b = below ? wasm_i16x8_sub(wasm_i16x8_load8x8(below + c), zero) : wasm_i16x8_splat(0);
            wasm_v128_store(out + 2 * c, wasm_i16x8_shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11));
            wasm_v128_store(out + 2 * c + 8, wasm_i16x8_shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15));
        }
        for (; c < count; ++c) {
            out[2 * c] = (int16_t)(above ? above[c] - zero_point : 0);
            out[2 * c + 1] = (int16_t)(below ? below[c] - zero_point : 0);
        }
        out += 2 * rows->channels;
    }
}

/* One line of outputs of four channels, with taps row_pairs × kernel_w in registers; `valid` channels are stored. */
static inline __attribute__((always_inline)) void line_in_registers(const struct rows *rows, int32_t pixels, int32_t pixel_step,
                                                                    int32_t tap_step, int32_t row_pairs, int32_t kernel_w,
                                                                    const int8_t *weights, v128_t bias, v128_t multipliers,
                                                                    const struct fleet_to_int8_lanes *q, int32_t valid, int8_t *y,
                                                                    int32_t y_step)
{
    v128_t taps[MAX_TAPS];
    for (int32_t t = 0; t < row_pairs * kernel_w; ++t) {
        taps[t] = wasm_i16x8_load8x8(weights + 8 * t);
    }
    const int16_t *x = rows->data;
    const int32_t row_step = 2 * rows->columns * rows->channels;
    for (int32_t i = 0; i < pixels; ++i) {
        v128_t sum = bias;
        for (int32_t r = 0; r < row_pairs; ++r) {
            for (int32_t kw = 0; kw < kernel_w; ++kw) {
                const v128_t pair = wasm_v128_load(x + r * row_step + kw * tap_step);
                sum = wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(pair, taps[r * kernel_w + kw]));
            }
        }
        const v128_t v = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sum), multipliers);
        fleet_store_int8_x4(y, fleet_to_int8_x4(v, q), valid);
        x += pixel_step;
        y += y_step;
    }
}

static void line_of_any_kernel(const struct rows *rows, int32_t pixels, int32_t pixel_step, int32_t tap_step, int32_t row_pairs,
                               int32_t kernel_w, const int8_t *weights, v128_t bias, v128_t multipliers,
                               const struct fleet_to_int8_lanes *q, int32_t valid, int8_t *y, int32_t y_step)
{
    const int32_t row_step = 2 * rows->columns * rows->channels;
    for (int32_t i = 0; i < pixels; ++i) {
        v128_t sum = bias;
        const int8_t *w = weights;
        for (int32_t r = 0; r < row_pairs; ++r) {
            const int16_t *x = rows->data + i * pixel_step + r * row_step;
            for (int32_t kw = 0; kw < kernel_w; ++kw) {
                sum = wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(wasm_v128_load(x), wasm_i16x8_load8x8(w)));
                x += tap_step;
                w += 8;
            }
        }
        const v128_t v = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sum), multipliers);
        fleet_store_int8_x4(y, fleet_to_int8_x4(v, q), valid);
        y += y_step;
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
    const int32_t pixels = FLEET_DEPTHWISE_CONV_S8_PIXELS(w->out_w, w->out_c, w->kernel_h, w->stride_w, extent);
    const int32_t pixel_step = 2 * w->stride_w * block;
    const int32_t tap_step = 2 * w->dilation_w * block;

    for (int32_t n = 0; n < w->batch; ++n) {
        for (int32_t oh = 0; oh < w->out_h; ++oh) {
            for (int32_t ow = 0; ow < w->out_w; ow += pixels) {
                const int32_t count = FLEET_MIN(pixels, w->out_w - ow);
                const struct rows rows = {scratch, (count - 1) * w->stride_w + extent, block};
                for (int32_t c0 = 0; c0 < w->out_c; c0 += block) {
                    const int32_t channels = FLEET_MIN(block, w->out_c - c0);
                    for (int32_t r = 0; r < row_pairs; ++r) {
                        const int32_t ih = oh * w->stride_h - w->pad_top + 2 * r * w->dilation_h;
                        const int32_t below = ih + w->dilation_h;
                        const int8_t *plane = x + n * w->in_h * w->in_w * w->in_c + c0;
                        const int32_t row_bytes = w->in_w * w->in_c;
                        interleave_rows(w, ih >= 0 && ih < w->in_h ? plane + ih * row_bytes : (const int8_t *)0,
                                        2 * r + 1 < w->kernel_h && below >= 0 && below < w->in_h ? plane + below * row_bytes
                                                                                                 : (const int8_t *)0,
                                        ow * w->stride_w - w->pad_left, channels, p->in_zero_point, &rows,
                                        (int16_t *)scratch + r * 2 * rows.columns * block);
                    }
                    int8_t *line = y + ((n * w->out_h + oh) * w->out_w + ow) * w->out_c;
                    for (int32_t c = c0; c < c0 + channels; c += 4) {
                        const struct rows four = {rows.data + 2 * (c - c0), rows.columns, block};
                        const int8_t *taps = weights + c * row_pairs * w->kernel_w * 2;
                        const v128_t b = wasm_v128_load(bias + c);
                        const v128_t m = wasm_v128_load(multipliers + c);
                        if (row_pairs == 2 && w->kernel_w == 3) {
                            line_in_registers(&four, count, pixel_step, tap_step, 2, 3, taps, b, m, &q, w->out_c - c, line + c,
                                              w->out_c);
                        } else {
                            line_of_any_kernel(&four, count, pixel_step, tap_step, row_pairs, w->kernel_w, taps, b, m, &q,
                                               w->out_c - c, line + c, w->out_c);
                        }
                    }
                }
            }
        }
    }
}

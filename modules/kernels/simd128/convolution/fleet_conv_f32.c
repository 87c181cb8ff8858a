#include "common/window.h"
#include "fleet_kernels.h"
#include "simd128/common/clip.h"
#include "simd128/common/unroll.h"

#define MAX_VECTORS 4

/* The part of a kernel that lies inside the input. Distances in elements; those of the weights for a block of one channel. */
struct taps {
    int32_t rows, columns, depth;
    int32_t x_row, x_column;
    int32_t w_first, w_row;
};

/* Two outputs with the same taps, times `vectors` vectors of four channels. */
static inline __attribute__((always_inline)) void conv_tile(const float *x0, const float *x1, const struct taps *taps,
                                                            const float *weights, const float *bias,
                                                            const struct fleet_conv_f32_params *p, int32_t channels, float *y0,
                                                            float *y1, int32_t vectors)
{
    v128_t sum0[MAX_VECTORS];
    v128_t sum1[MAX_VECTORS];
    FLEET_UNROLL
    for (int32_t v = 0; v < vectors; ++v) {
        sum0[v] = wasm_v128_load(bias + 4 * v);
        sum1[v] = sum0[v];
    }
    for (int32_t row = 0; row < taps->rows; ++row) {
        const float *w = weights + (taps->w_first + row * taps->w_row) * 4 * vectors;
        for (int32_t column = 0; column < taps->columns; ++column) {
            const float *a = x0 + row * taps->x_row + column * taps->x_column;
            const float *b = x1 + row * taps->x_row + column * taps->x_column;
            for (int32_t ic = 0; ic < taps->depth; ++ic) {
                const v128_t value0 = wasm_v128_load32_splat(a + ic);
                const v128_t value1 = wasm_v128_load32_splat(b + ic);
                FLEET_UNROLL
                for (int32_t v = 0; v < vectors; ++v) {
                    const v128_t weight = wasm_v128_load(w + 4 * v);
                    sum0[v] = wasm_f32x4_add(sum0[v], wasm_f32x4_mul(value0, weight));
                    sum1[v] = wasm_f32x4_add(sum1[v], wasm_f32x4_mul(value1, weight));
                }
                w += 4 * vectors;
            }
        }
    }
    const v128_t lo = wasm_f32x4_splat(p->out_min);
    const v128_t hi = wasm_f32x4_splat(p->out_max);
    FLEET_UNROLL
    for (int32_t v = 0; v < vectors; ++v) {
        fleet_store_f32x4(y0 + 4 * v, fleet_clip_x4(sum0[v], lo, hi), channels - 4 * v);
        fleet_store_f32x4(y1 + 4 * v, fleet_clip_x4(sum1[v], lo, hi), channels - 4 * v);
    }
}

/* All columns of one output row for one block of `vectors` vectors. `row` is the input row of the first tap. */
static inline __attribute__((always_inline)) void conv_row(const struct fleet_conv_f32_params *p, const float *row,
                                                           struct fleet_range rows, int32_t depth, const float *weights,
                                                           const float *bias, int32_t channels, float *y, int32_t vectors)
{
    const struct fleet_window *w = &p->window;
    struct taps taps = {fleet_range_count(rows), 0, depth, w->dilation_h * w->in_w * w->in_c, w->dilation_w * w->in_c, 0,
                        w->kernel_w * depth};
    for (int32_t ow = 0; ow < w->out_w;) {
        const int32_t left = ow * w->stride_w - w->pad_left;
        const struct fleet_range columns = fleet_range_inside(left, w->kernel_w, w->dilation_w, w->in_w);
        /* The neighbour joins in where the border cuts the same taps off it. */
        int32_t step = 0;
        if (ow + 1 < w->out_w) {
            const struct fleet_range next = fleet_range_inside(left + w->stride_w, w->kernel_w, w->dilation_w, w->in_w);
            step = next.first == columns.first && next.last == columns.last;
        }
        taps.columns = fleet_range_count(columns);
        taps.w_first = (rows.first * w->kernel_w + columns.first) * depth;
        const float *x0 = row + (left + columns.first * w->dilation_w) * w->in_c;
        float *y0 = y + ow * w->out_c;
        conv_tile(x0, x0 + step * w->stride_w * w->in_c, &taps, weights, bias, p, channels, y0, y0 + step * w->out_c, vectors);
        ow += 1 + step;
    }
}

void fleet_conv_f32(const struct fleet_conv_f32_params *p, const float *x, const float *weights, const float *bias, float *y)
{
    const struct fleet_window *w = &p->window;
    const int32_t group_in = w->in_c / p->groups;
    const int32_t group_out = w->out_c / p->groups;
    const int32_t padded = FLEET_ROUND_UP(group_out, 4);
    const int32_t filter = w->kernel_h * w->kernel_w * group_in;

    for (int32_t n = 0; n < w->batch; ++n) {
        for (int32_t oh = 0; oh < w->out_h; ++oh) {
            const int32_t top = oh * w->stride_h - w->pad_top;
            const struct fleet_range rows = fleet_range_inside(top, w->kernel_h, w->dilation_h, w->in_h);
            for (int32_t g = 0; g < p->groups; ++g) {
                const float *row = x + (n * w->in_h + top + rows.first * w->dilation_h) * w->in_w * w->in_c + g * group_in;
                float *out = y + (n * w->out_h + oh) * w->out_w * w->out_c + g * group_out;
                for (int32_t c = 0; c < group_out;) {
                    const float *block = weights + (g * padded + c) * filter;
                    const float *b = bias + g * padded + c;
                    const int32_t left = padded - c;
                    if (left >= 16) {
                        conv_row(p, row, rows, group_in, block, b, group_out - c, out + c, 4);
                        c += 16;
                    } else if (left >= 8) {
                        conv_row(p, row, rows, group_in, block, b, group_out - c, out + c, 2);
                        c += 8;
                    } else {
                        conv_row(p, row, rows, group_in, block, b, group_out - c, out + c, 1);
                        c += 4;
                    }
                }
            }
        }
    }
}

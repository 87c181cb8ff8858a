#include "common/average.h"
#include "fleet_kernels.h"
#include "simd128/common/requantize.h"

/* The window's elements inside the input, of the first channel. */
struct inside {
    const int8_t *first;
    int32_t rows, columns;
    int32_t row_step, column_step;
};

/* Sums of eight channels. */
static inline void sum_x8(const struct inside *at, int32_t c, v128_t *low, v128_t *high)
{
    v128_t l = wasm_i32x4_splat(0);
    v128_t h = l;
    for (int32_t row = 0; row < at->rows; ++row) {
        const int8_t *x = at->first + row * at->row_step + c;
        for (int32_t column = 0; column < at->columns; ++column) {
            const v128_t eight = wasm_i16x8_load8x8(x);
            l = wasm_i32x4_add(l, wasm_i32x4_extend_low_i16x8(eight));
            h = wasm_i32x4_add(h, wasm_i32x4_extend_high_i16x8(eight));
            x += at->column_step;
        }
    }
    *low = l;
    *high = h;
}

void fleet_average_pool_s8(const struct fleet_average_pool_s8_params *p, const int8_t *x, int8_t *y)
{
    const struct fleet_window *w = &p->window;
    const struct fleet_to_int8_lanes q = fleet_to_int8_lanes_of(p->out_zero_point, p->out_min, p->out_max);

    for (int32_t n = 0; n < w->batch; ++n) {
        for (int32_t oh = 0; oh < w->out_h; ++oh) {
            const int32_t top = oh * w->stride_h - w->pad_top;
            const struct fleet_range rows = fleet_range_inside(top, w->kernel_h, w->dilation_h, w->in_h);
            for (int32_t ow = 0; ow < w->out_w; ++ow) {
                const int32_t left = ow * w->stride_w - w->pad_left;
                const struct fleet_range columns = fleet_range_inside(left, w->kernel_w, w->dilation_w, w->in_w);
                const int32_t count = fleet_average_count(w, p->count_include_pad, top, left, rows, columns);
                const float multiplier = p->in_scale / (p->out_scale * (float)count);
                const int32_t ih = n * w->in_h + top + rows.first * w->dilation_h;
                const struct inside at = {
                    x + (ih * w->in_w + left + columns.first * w->dilation_w) * w->in_c,
                    fleet_range_count(rows),
                    fleet_range_count(columns),
                    w->dilation_h * w->in_w * w->in_c,
                    w->dilation_w * w->in_c,
                };
                const int32_t zero = p->in_zero_point * at.rows * at.columns;
                int32_t c = 0;
                for (; c + 8 <= w->in_c; c += 8) {
                    v128_t low;
                    v128_t high;
                    sum_x8(&at, c, &low, &high);
                    low = wasm_f32x4_convert_i32x4(wasm_i32x4_sub(low, wasm_i32x4_splat(zero)));
                    high = wasm_f32x4_convert_i32x4(wasm_i32x4_sub(high, wasm_i32x4_splat(zero)));
                    low = wasm_f32x4_mul(low, wasm_f32x4_splat(multiplier));
                    high = wasm_f32x4_mul(high, wasm_f32x4_splat(multiplier));
                    wasm_v128_store64_lane(y + c, fleet_to_int8_x8(low, high, &q), 0);
                }
                for (; c < w->in_c; ++c) {
                    int32_t acc = -zero;
                    for (int32_t row = 0; row < at.rows; ++row) {
                        for (int32_t column = 0; column < at.columns; ++column) {
                            acc += at.first[row * at.row_step + column * at.column_step + c];
                        }
                    }
                    y[c] = fleet_to_int8((float)acc * multiplier, p->out_zero_point, p->out_min, p->out_max);
                }
                y += w->in_c;
            }
        }
    }
}

#include "common/window.h"
#include "fleet_kernels.h"
#include "simd128/common/clip.h"

/* The part of a kernel that lies inside the input, from its first tap on. Distances in elements. */
struct depthwise_taps {
    const float *x, *weights;
    int32_t rows, columns;
    int32_t x_row, x_column, w_row, w_column;
};

/* `count` channels from c on, 1 … 4. */
static inline __attribute__((always_inline)) v128_t dot_x4(const struct depthwise_taps *taps, int32_t c, v128_t sum, int32_t count)
{
    for (int32_t row = 0; row < taps->rows; ++row) {
        const float *x = taps->x + row * taps->x_row + c;
        const float *w = taps->weights + row * taps->w_row + c;
        for (int32_t column = taps->columns; column > 0; --column) {
            sum = wasm_f32x4_add(sum, wasm_f32x4_mul(fleet_load_f32x4(x, count), fleet_load_f32x4(w, count)));
            x += taps->x_column;
            w += taps->w_column;
        }
    }
    return sum;
}

void fleet_depthwise_conv_f32(const struct fleet_conv_f32_params *p, const float *x, const float *weights, const float *bias,
                              float *y)
{
    const struct fleet_window *w = &p->window;
    const int32_t channels = w->out_c;
    const v128_t lo = wasm_f32x4_splat(p->out_min);
    const v128_t hi = wasm_f32x4_splat(p->out_max);

    for (int32_t n = 0; n < w->batch; ++n) {
        for (int32_t oh = 0; oh < w->out_h; ++oh) {
            const int32_t top = oh * w->stride_h - w->pad_top;
            const struct fleet_range rows = fleet_range_inside(top, w->kernel_h, w->dilation_h, w->in_h);
            for (int32_t ow = 0; ow < w->out_w; ++ow) {
                const int32_t left = ow * w->stride_w - w->pad_left;
                const struct fleet_range columns = fleet_range_inside(left, w->kernel_w, w->dilation_w, w->in_w);
                const int32_t ih = n * w->in_h + top + rows.first * w->dilation_h;
                const struct depthwise_taps taps = {
                    x + (ih * w->in_w + left + columns.first * w->dilation_w) * channels,
                    weights + (rows.first * w->kernel_w + columns.first) * channels,
                    fleet_range_count(rows),
                    fleet_range_count(columns),
                    w->dilation_h * w->in_w * channels,
                    w->dilation_w * channels,
                    w->kernel_w * channels,
                    channels,
                };
                int32_t c = 0;
                for (; c + 4 <= channels; c += 4) {
                    const v128_t sum = dot_x4(&taps, c, wasm_v128_load(bias + c), 4);
                    wasm_v128_store(y + c, fleet_clip_x4(sum, lo, hi));
                }
                if (c < channels) {
                    const v128_t sum = dot_x4(&taps, c, fleet_load_f32x4(bias + c, channels - c), channels - c);
                    fleet_store_f32x4(y + c, fleet_clip_x4(sum, lo, hi), channels - c);
                }
                y += channels;
            }
        }
    }
}

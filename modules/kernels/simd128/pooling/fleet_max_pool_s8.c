#include "common/window.h"
#include "fleet_kernels.h"

#include <wasm_simd128.h>

void fleet_max_pool_s8(const struct fleet_max_pool_s8_params *p, const int8_t *x, int8_t *y)
{
    const struct fleet_window *w = &p->window;
    const v128_t lo = wasm_i8x16_splat((int8_t)p->out_min);
    const v128_t hi = wasm_i8x16_splat((int8_t)p->out_max);

    for (int32_t n = 0; n < w->batch; ++n) {
        for (int32_t oh = 0; oh < w->out_h; ++oh) {
            const int32_t top = oh * w->stride_h - w->pad_top;
            const struct fleet_range rows = fleet_range_inside(top, w->kernel_h, w->dilation_h, w->in_h);
            for (int32_t ow = 0; ow < w->out_w; ++ow) {
                const int32_t left = ow * w->stride_w - w->pad_left;
                const struct fleet_range columns = fleet_range_inside(left, w->kernel_w, w->dilation_w, w->in_w);
                const int8_t *corner = x + ((n * w->in_h + top) * w->in_w + left) * w->in_c;
                const int32_t row_step = w->dilation_h * w->in_w * w->in_c;
                const int32_t column_step = w->dilation_w * w->in_c;
                int32_t c = 0;
                for (; c + 16 <= w->in_c; c += 16) {
                    v128_t largest = lo;
                    for (int32_t kh = rows.first; kh < rows.last; ++kh) {
                        for (int32_t kw = columns.first; kw < columns.last; ++kw) {
                            largest = wasm_i8x16_max(largest, wasm_v128_load(corner + kh * row_step + kw * column_step + c));
                        }
                    }
                    wasm_v128_store(y + c, wasm_i8x16_min(largest, hi));
                }
                for (; c < w->in_c; ++c) {
                    int32_t largest = p->out_min;
                    for (int32_t kh = rows.first; kh < rows.last; ++kh) {
                        for (int32_t kw = columns.first; kw < columns.last; ++kw) {
                            const int32_t value = corner[kh * row_step + kw * column_step + c];
                            largest = value > largest ? value : largest;
                        }
                    }
                    y[c] = (int8_t)(largest < p->out_max ? largest : p->out_max);
                }
                y += w->in_c;
            }
        }
    }
}

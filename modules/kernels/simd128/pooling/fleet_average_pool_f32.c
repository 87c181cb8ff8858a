#include "common/average.h"
#include "fleet_kernels.h"
#include "simd128/common/clip.h"

void fleet_average_pool_f32(const struct fleet_average_pool_f32_params *p, const float *x, float *y)
{
    const struct fleet_window *w = &p->window;
    const v128_t lo = wasm_f32x4_splat(p->out_min);
    const v128_t hi = wasm_f32x4_splat(p->out_max);

    for (int32_t n = 0; n < w->batch; ++n) {
        for (int32_t oh = 0; oh < w->out_h; ++oh) {
            const int32_t top = oh * w->stride_h - w->pad_top;
            const struct fleet_range rows = fleet_range_inside(top, w->kernel_h, w->dilation_h, w->in_h);
            for (int32_t ow = 0; ow < w->out_w; ++ow) {
                const int32_t left = ow * w->stride_w - w->pad_left;
                const struct fleet_range columns = fleet_range_inside(left, w->kernel_w, w->dilation_w, w->in_w);
                const int32_t count = fleet_average_count(w, p->count_include_pad, top, left, rows, columns);
                const v128_t divisor = wasm_f32x4_splat((float)count);
                for (int32_t c = 0; c < w->in_c; c += 4) {
                    v128_t sum = wasm_f32x4_splat(0.0f);
                    for (int32_t kh = rows.first; kh < rows.last; ++kh) {
                        const float *row = x + (n * w->in_h + top + kh * w->dilation_h) * w->in_w * w->in_c + c;
                        for (int32_t kw = columns.first; kw < columns.last; ++kw) {
                            const float *at = row + (left + kw * w->dilation_w) * w->in_c;
                            sum = wasm_f32x4_add(sum, fleet_load_f32x4(at, w->in_c - c));
                        }
                    }
                    fleet_store_f32x4(y + c, fleet_clip_x4(wasm_f32x4_div(sum, divisor), lo, hi), w->in_c - c);
                }
                y += w->in_c;
            }
        }
    }
}

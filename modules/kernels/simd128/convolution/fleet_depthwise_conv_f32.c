#include "common/window.h"
#include "fleet_kernels.h"
#include "simd128/common/clip.h"

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
                for (int32_t c = 0; c < channels; c += 4) {
                    const int32_t count = channels - c;
                    v128_t sum = fleet_load_f32x4(bias + c, count);
                    for (int32_t kh = rows.first; kh < rows.last; ++kh) {
                        const float *row = x + (n * w->in_h + top + kh * w->dilation_h) * w->in_w * channels + c;
                        const float *tap = weights + kh * w->kernel_w * channels + c;
                        for (int32_t kw = columns.first; kw < columns.last; ++kw) {
                            const v128_t value = fleet_load_f32x4(row + (left + kw * w->dilation_w) * channels, count);
                            sum = wasm_f32x4_add(sum, wasm_f32x4_mul(value, fleet_load_f32x4(tap + kw * channels, count)));
                        }
                    }
                    fleet_store_f32x4(y + c, fleet_clip_x4(sum, lo, hi), count);
                }
                y += channels;
            }
        }
    }
}

#include "common/average.h"
#include "common/numbers.h"
#include "fleet_kernels.h"

void fleet_average_pool_f32(const struct fleet_average_pool_f32_params *p, const float *x, float *y)
{
    const struct fleet_window *w = &p->window;

    for (int32_t n = 0; n < w->batch; ++n) {
        for (int32_t oh = 0; oh < w->out_h; ++oh) {
            const int32_t top = oh * w->stride_h - w->pad_top;
            const struct fleet_range rows = fleet_range_inside(top, w->kernel_h, w->dilation_h, w->in_h);
            for (int32_t ow = 0; ow < w->out_w; ++ow) {
                const int32_t left = ow * w->stride_w - w->pad_left;
                const struct fleet_range columns = fleet_range_inside(left, w->kernel_w, w->dilation_w, w->in_w);
                const float count = (float)fleet_average_count(w, p->count_include_pad, top, left, rows, columns);
                for (int32_t c = 0; c < w->in_c; ++c) {
                    float acc = 0.0f;
                    for (int32_t kh = rows.first; kh < rows.last; ++kh) {
                        const int32_t ih = top + kh * w->dilation_h;
                        for (int32_t kw = columns.first; kw < columns.last; ++kw) {
                            const int32_t iw = left + kw * w->dilation_w;
                            acc += x[((n * w->in_h + ih) * w->in_w + iw) * w->in_c + c];
                        }
                    }
                    *y++ = fleet_clip(acc / count, p->out_min, p->out_max);
                }
            }
        }
    }
}

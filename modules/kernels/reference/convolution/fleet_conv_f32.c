#include "common/numbers.h"
#include "common/window.h"
#include "fleet_kernels.h"

void fleet_conv_f32(const struct fleet_conv_f32_params *p, const float *x, const float *weights, const float *bias, float *y)
{
    const struct fleet_window *w = &p->window;
    const int32_t group_in = w->in_c / p->groups;
    const int32_t group_out = w->out_c / p->groups;

    for (int32_t n = 0; n < w->batch; ++n) {
        for (int32_t oh = 0; oh < w->out_h; ++oh) {
            const int32_t top = oh * w->stride_h - w->pad_top;
            const struct fleet_range rows = fleet_range_inside(top, w->kernel_h, w->dilation_h, w->in_h);
            for (int32_t ow = 0; ow < w->out_w; ++ow) {
                const int32_t left = ow * w->stride_w - w->pad_left;
                const struct fleet_range columns = fleet_range_inside(left, w->kernel_w, w->dilation_w, w->in_w);
                for (int32_t oc = 0; oc < w->out_c; ++oc) {
                    const int32_t group = oc / group_out;
                    float acc = bias[oc];
                    for (int32_t kh = rows.first; kh < rows.last; ++kh) {
                        const int32_t ih = top + kh * w->dilation_h;
                        for (int32_t kw = columns.first; kw < columns.last; ++kw) {
                            const int32_t iw = left + kw * w->dilation_w;
                            const float *pixel = x + ((n * w->in_h + ih) * w->in_w + iw) * w->in_c + group * group_in;
                            const float *tap =
                                weights + ((group * w->kernel_h + kh) * w->kernel_w + kw) * group_in * group_out + oc % group_out;
                            for (int32_t ic = 0; ic < group_in; ++ic) {
                                acc += pixel[ic] * tap[ic * group_out];
                            }
                        }
                    }
                    *y++ = fleet_clip(acc, p->out_min, p->out_max);
                }
            }
        }
    }
}

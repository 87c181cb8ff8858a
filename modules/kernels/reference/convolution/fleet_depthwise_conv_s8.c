#include "common/numbers.h"
#include "common/window.h"
#include "fleet_kernels.h"

void fleet_depthwise_conv_s8(const struct fleet_conv_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                             const float *multipliers, int8_t *y, void *scratch)
{
    (void)scratch;
    const struct fleet_window *w = &p->window;
    const int32_t channels = w->out_c;

    const int32_t pixels = w->batch * w->out_h * w->out_w;
    for (int32_t i = 0; i < pixels; ++i) {
        const int32_t at = p->backwards ? pixels - 1 - i : i;
        const int32_t n = at / (w->out_h * w->out_w);
        const int32_t oh = at / w->out_w % w->out_h;
        const int32_t ow = at % w->out_w;
        const int32_t top = oh * w->stride_h - w->pad_top;
        const int32_t left = ow * w->stride_w - w->pad_left;
        const struct fleet_range rows = fleet_range_inside(top, w->kernel_h, w->dilation_h, w->in_h);
        const struct fleet_range columns = fleet_range_inside(left, w->kernel_w, w->dilation_w, w->in_w);
        for (int32_t c = 0; c < channels; ++c) {
            int32_t acc = bias[c];
            for (int32_t kh = rows.first; kh < rows.last; ++kh) {
                const int32_t ih = top + kh * w->dilation_h;
                for (int32_t kw = columns.first; kw < columns.last; ++kw) {
                    const int32_t iw = left + kw * w->dilation_w;
                    const int32_t value = x[((n * w->in_h + ih) * w->in_w + iw) * channels + c] - p->in_zero_point;
                    acc += value * weights[(kh * w->kernel_w + kw) * channels + c];
                }
            }
            y[at * w->out_c + c] = fleet_to_int8((float)acc * multipliers[c], p->out_zero_point, p->out_min, p->out_max);
        }
    }
}

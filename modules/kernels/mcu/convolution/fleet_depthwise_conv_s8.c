#include "common/window.h"
#include "fleet_kernels.h"
#include "mcu/patch.h"

/* Four channels of all taps. `places` says where each tap lies, from x; those outside the input lie in a line of zero points. */
static void four_channels(const int8_t *x, const int32_t *places, int32_t taps, const int8_t *weights, int32_t sums[4])
{
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    for (int32_t tap = 0; tap < taps; ++tap) {
        const uint32_t a = fleet_load4(x + places[tap]), w = fleet_load4(weights);
        weights += 4;
        const uint32_t a_even = fleet_even(a), w_even = fleet_even(w), a_odd = fleet_odd(a), w_odd = fleet_odd(w);
        s0 = fleet_low(a_even, w_even, s0);
        s1 = fleet_low(a_odd, w_odd, s1);
        s2 = fleet_high(a_even, w_even, s2);
        s3 = fleet_high(a_odd, w_odd, s3);
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

/* The last channels, if they are no four: reading four would read beyond the input. */
static void few_channels(const int8_t *x, const int32_t *places, int32_t taps, const int8_t *weights, int32_t count, int32_t sums[4])
{
    for (int32_t tap = 0; tap < taps; ++tap) {
        for (int32_t c = 0; c < count; ++c) {
            sums[c] += x[places[tap] + c] * weights[4 * tap + c];
        }
    }
}

static void find_places(const struct fleet_window *w, int32_t image, int32_t oh, int32_t ow, int32_t outside, int32_t *places)
{
    const int32_t top = oh * w->stride_h - w->pad_top, left = ow * w->stride_w - w->pad_left;
    for (int32_t kh = 0; kh < w->kernel_h; ++kh) {
        const int32_t ih = top + kh * w->dilation_h;
        for (int32_t kw = 0; kw < w->kernel_w; ++kw) {
            const int32_t iw = left + kw * w->dilation_w;
            const _Bool inside = ih >= 0 && ih < w->in_h && iw >= 0 && iw < w->in_w;
            *places++ = inside ? image + (ih * w->in_w + iw) * w->in_c : outside;
        }
    }
}

void fleet_depthwise_conv_s8(const struct fleet_conv_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                             const float *multipliers, int8_t *y, void *scratch)
{
    const struct fleet_window *w = &p->window;
    const int32_t channels = w->out_c, taps = w->kernel_h * w->kernel_w;
    const int32_t pixels = w->batch * w->out_h * w->out_w;
    int8_t *const outside = scratch;
    int32_t *const places = (int32_t *)(void *)(outside + FLEET_ROUND_UP(channels, 4));
    fleet_fill(outside, p->in_zero_point, channels);
    for (int32_t i = 0; i < pixels; ++i) {
        const int32_t at = p->backwards ? pixels - 1 - i : i;
        const int32_t image = at / (w->out_h * w->out_w) * w->in_h * w->in_w * w->in_c;
        find_places(w, image, at / w->out_w % w->out_h, at % w->out_w, (int32_t)(outside - x), places);
        for (int32_t c = 0; c < channels; c += 4) {
            const int32_t count = channels - c < 4 ? channels - c : 4;
            int32_t sums[4] = {0, 0, 0, 0};
            for (int32_t k = 0; k < count; ++k) {
                sums[k] = bias[c + k];
            }
            if (count == 4) {
                four_channels(x + c, places, taps, weights + c * taps, sums);
            } else {
                few_channels(x + c, places, taps, weights + c * taps, count, sums);
            }
            for (int32_t k = 0; k < count; ++k) {
                y[at * channels + c + k] =
                    fleet_requantize(sums[k], multipliers[c + k], p->out_zero_point, p->out_min, p->out_max);
            }
        }
    }
}

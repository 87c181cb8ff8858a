#include "common/window.h"
#include "fleet_kernels.h"
#include "simd128/common/widen.h"
#include "simd128/convolution/patch_dot_s8.h"

/* One kernel row of a patch: `pixels` outputs from column `left` of input row `row` on, which is NULL above and below the input.
 * `channels` of the row's in_c are taken. Returns the end of what it wrote. */
static int16_t *widen_row(const struct fleet_window *w, const int8_t *row, int32_t left, int32_t pixels, int32_t step,
                          int32_t channels, int32_t zero_point, int16_t *out)
{
    const int shared = step == w->stride_w && w->dilation_w == 1; /* windows overlap or abut: one run of columns */
    const int32_t runs = shared ? 1 : pixels;
    const int32_t columns = shared ? (pixels - 1) * step + w->kernel_w : w->kernel_w;

    if (!row) {
        return fleet_widen_padding(runs * columns * channels, out);
    }
    for (int32_t r = 0; r < runs; ++r) {
        const int32_t first = left + r * w->stride_w;
        if (w->dilation_w == 1 && channels == w->in_c) {
            const struct fleet_range inside = fleet_range_inside(first, columns, 1, w->in_w);
            const int32_t count = fleet_range_count(inside);
            const int32_t before = count ? inside.first : columns;
            out = fleet_widen_padding(before * channels, out);
            out = fleet_widen(row + (first + before) * channels, count * channels, zero_point, out);
            out = fleet_widen_padding((columns - before - count) * channels, out);
            continue;
        }
        for (int32_t c = 0; c < columns; ++c) {
            const int32_t column = first + c * w->dilation_w;
            if (column >= 0 && column < w->in_w) {
                out = fleet_widen(row + column * w->in_c, channels, zero_point, out);
            } else {
                out = fleet_widen_padding(channels, out);
            }
        }
    }
    return out;
}

void fleet_conv_s8(const struct fleet_conv_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                   const float *multipliers, int8_t *y, void *scratch)
{
    struct fleet_window w = p->window;
    if (w.kernel_h == 1 && w.kernel_w == 1 && w.stride_h == 1 && w.stride_w == 1 && w.out_h == w.in_h && w.out_w == w.in_w) {
        /* No pads, then, and pixels do not see each other: one long row. */
        w.in_w = w.out_w = w.batch * w.out_h * w.out_w;
        w.batch = w.in_h = w.out_h = 1;
    }
    const int32_t group_in = w.in_c / p->groups;
    const int32_t group_out = w.out_c / p->groups;
    const int32_t group_padded = FLEET_ROUND_UP(group_out, 4);
    const int32_t step = FLEET_CONV_S8_STEP(w.kernel_w, w.stride_w, w.dilation_w);
    const int32_t pixels = FLEET_CONV_S8_PIXELS(w.out_w, w.kernel_h, w.kernel_w, step, group_in);
    const int32_t pairs = (w.kernel_w * group_in + 1) / 2;
    const int32_t group_weights = group_padded * w.kernel_h * pairs * 2;
    const struct fleet_patch_output out = {w.out_c, group_out, p->out_zero_point, p->out_min, p->out_max};

    for (int32_t n = 0; n < w.batch; ++n) {
        for (int32_t oh = 0; oh < w.out_h; ++oh) {
            for (int32_t ow = 0; ow < w.out_w; ow += pixels) {
                const int32_t count = FLEET_MIN(pixels, w.out_w - ow);
                const int32_t columns = (count - 1) * step + w.kernel_w;
                const struct fleet_patch patch = {scratch, step * group_in, columns * group_in, w.kernel_h, pairs};
                for (int32_t g = 0; g < p->groups; ++g) {
                    int16_t *end = scratch;
                    for (int32_t kh = 0; kh < w.kernel_h; ++kh) {
                        const int32_t ih = oh * w.stride_h - w.pad_top + kh * w.dilation_h;
                        const int8_t *row =
                            ih >= 0 && ih < w.in_h ? x + (n * w.in_h + ih) * w.in_w * w.in_c + g * group_in : (const int8_t *)0;
                        end = widen_row(&w, row, ow * w.stride_w - w.pad_left, count, step, group_in, p->in_zero_point, end);
                    }
                    fleet_patch_dot_s8(&patch, count, weights + g * group_weights, bias + g * group_padded,
                                       multipliers + g * group_padded, &out,
                                       y + ((n * w.out_h + oh) * w.out_w + ow) * w.out_c + g * group_out);
                }
            }
        }
    }
}

#include "common/window.h"
#include "fleet_kernels.h"
#include "mcu/patch.h"

/* The window of one output, row by row; what lies outside the input is the zero point, whose products the bias takes off. */
static void copy_window(const struct fleet_conv_s8_params *p, const int8_t *image, int32_t group, int32_t oh, int32_t ow,
                        int8_t *to, int32_t padded)
{
    const struct fleet_window *w = &p->window;
    const int32_t group_in = w->in_c / p->groups;
    const int32_t top = oh * w->stride_h - w->pad_top, left = ow * w->stride_w - w->pad_left;
    const int32_t column_step = p->in_planar ? 1 : w->in_c;
    const int32_t channel_step = p->in_planar ? w->in_h * w->in_w : 1;
    const struct fleet_range columns = fleet_range_inside(left, w->kernel_w, w->dilation_w, w->in_w);
    const int32_t inside = fleet_range_count(columns);
    const int32_t row_bytes = w->kernel_w * group_in;
    const int8_t *const from = image + group * group_in * channel_step;
    int8_t *const end = to + padded;
    if (inside == w->kernel_w && w->dilation_w == 1 && group_in == w->in_c && !p->in_planar && top >= 0 &&
        top + (w->kernel_h - 1) * w->dilation_h < w->in_h) {
        const int8_t *line = from + (top * w->in_w + left) * w->in_c;
        for (int32_t kh = 0; kh < w->kernel_h; ++kh, to += row_bytes, line += w->dilation_h * w->in_w * w->in_c) {
            fleet_take(to, line, row_bytes);
        }
        fleet_fill(to, 0, (int32_t)(end - to));
        return;
    }
    for (int32_t kh = 0; kh < w->kernel_h; ++kh, to += row_bytes) {
        const int32_t ih = top + kh * w->dilation_h;
        if (ih < 0 || ih >= w->in_h || inside == 0) {
            fleet_fill(to, p->in_zero_point, row_bytes);
            continue;
        }
        fleet_fill(to, p->in_zero_point, columns.first * group_in);
        const int8_t *pixel = from + (ih * w->in_w + left + columns.first * w->dilation_w) * column_step;
        int8_t *at = to + columns.first * group_in;
        if (channel_step == 1 && (group_in == w->in_c && w->dilation_w == 1)) {
            fleet_take(at, pixel, inside * group_in);
        } else {
            const int32_t step = w->dilation_w * column_step;
            for (int32_t ic = 0; ic < group_in; ++ic) {
                const int8_t *channel = pixel + ic * channel_step;
                int8_t *place = at + ic;
                for (int32_t kw = inside; kw > 0; --kw, channel += step, place += group_in) {
                    *place = *channel;
                }
            }
        }
        const int32_t behind = columns.first + inside;
        fleet_fill(to + behind * group_in, p->in_zero_point, row_bytes - behind * group_in);
    }
    fleet_fill(to, 0, (int32_t)(end - to));
}

void fleet_conv_s8(const struct fleet_conv_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                   const float *multipliers, int8_t *y, void *scratch)
{
    const struct fleet_window *w = &p->window;
    const int32_t group_in = w->in_c / p->groups, group_out = w->out_c / p->groups;
    const int32_t words = FLEET_ROUND_UP(w->kernel_h * w->kernel_w * group_in, 4) / 4;
    const int32_t pixels = w->batch * w->out_h * w->out_w;
    uint32_t *const patch = scratch;
    int8_t *const window = (int8_t *)scratch + FLEET_PATCH_BYTES(words);
    /* The window of an output is a pixel of the input, and lies there in one piece. */
    const _Bool pointwise = w->kernel_h == 1 && w->kernel_w == 1 && w->pad_top == 0 && w->pad_left == 0 &&
                            w->pad_bottom == 0 && w->pad_right == 0 && p->groups == 1 && !p->in_planar && w->in_c % 4 == 0;
    /* Groups inside, so that nothing is written over what another group of the same outputs reads. */
    for (int32_t i = 0; i < pixels; i += 2) {
        const int32_t columns = i + 1 < pixels ? 2 : 1;
        const int32_t first = p->backwards ? pixels - i - columns : i;
        for (int32_t group = 0; group < p->groups; ++group) {
            for (int32_t column = 0; column < columns; ++column) {
                const int32_t at = first + column;
                const int32_t line = at / w->out_w, ow = at - line * w->out_w;
                const int32_t n = line / w->out_h, oh = line - n * w->out_h;
                const int8_t *image = x + n * w->in_h * w->in_w * w->in_c;
                if (pointwise) {
                    const int32_t pixel = oh * w->stride_h * w->in_w + ow * w->stride_w;
                    fleet_widen(image + pixel * w->in_c, words, patch, column, columns);
                    continue;
                }
                copy_window(p, image, group, oh, ow, window, 4 * words);
                fleet_widen(window, words, patch, column, columns);
            }
            const struct fleet_outputs outputs = {bias + group * group_out, multipliers + group * group_out,
                                                  p->out_zero_point, p->out_min, p->out_max};
            fleet_patch_products(patch, columns, words, weights + group * FLEET_ROUND_UP(group_out, 2) * 4 * words, &outputs,
                                 group_out, y + first * w->out_c + group * group_out, w->out_c);
        }
    }
}

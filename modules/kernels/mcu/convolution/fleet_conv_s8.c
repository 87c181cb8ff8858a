#include "fleet_kernels.h"
#include "mcu/patch.h"

/* A window that lies inside the input. */
static int8_t *copy_inside(const struct fleet_conv_s8_params *p, const int8_t *from, int8_t *to)
{
    const struct fleet_window *w = &p->window;
    const int32_t group_in = w->in_c / p->groups, row_bytes = w->kernel_w * group_in;
    const int32_t column_step = p->in_planar ? w->dilation_w : w->dilation_w * w->in_c;
    const int32_t channel_step = p->in_planar ? w->in_h * w->in_w : 1;
    const int32_t line_step = w->dilation_h * w->in_w * (p->in_planar ? 1 : w->in_c);
    for (int32_t kh = w->kernel_h; kh > 0; --kh, from += line_step, to += row_bytes) {
        if (channel_step == 1 && column_step == group_in) {
            fleet_take(to, from, row_bytes);
            continue;
        }
        const int8_t *channel = from;
        for (int8_t *first = to; first < to + group_in; ++first, channel += channel_step) {
            const int8_t *x = channel;
            if (w->kernel_w == 3) {
                first[0] = x[0];
                first[group_in] = x[column_step];
                first[2 * group_in] = x[2 * column_step];
                continue;
            }
            for (int8_t *y = first; y < to + row_bytes; y += group_in, x += column_step) {
                *y = *x;
            }
        }
    }
    return to;
}

/* A window that reaches beyond the input: there it is the zero point, whose products the bias takes off. */
static int8_t *copy_border(const struct fleet_conv_s8_params *p, const int8_t *image, int32_t top, int32_t left, int8_t *to)
{
    const struct fleet_window *w = &p->window;
    const int32_t group_in = w->in_c / p->groups;
    const int32_t column_step = p->in_planar ? 1 : w->in_c;
    const int32_t channel_step = p->in_planar ? w->in_h * w->in_w : 1;
    for (int32_t kh = 0; kh < w->kernel_h; ++kh) {
        const int32_t ih = top + kh * w->dilation_h;
        for (int32_t kw = 0; kw < w->kernel_w; ++kw, to += group_in) {
            const int32_t iw = left + kw * w->dilation_w;
            if (ih < 0 || ih >= w->in_h || iw < 0 || iw >= w->in_w) {
                fleet_fill(to, p->in_zero_point, group_in);
            } else if (channel_step == 1) {
                fleet_take(to, image + (ih * w->in_w + iw) * column_step, group_in);
            } else {
                for (int32_t ic = 0; ic < group_in; ++ic) {
                    to[ic] = image[(ih * w->in_w + iw) * column_step + ic * channel_step];
                }
            }
        }
    }
    return to;
}

/* The window of one output, row by row, and zeros behind it. `image`: of its group. */
static void copy_window(const struct fleet_conv_s8_params *p, const int8_t *image, int32_t oh, int32_t ow, int8_t *to, int32_t padded)
{
    const struct fleet_window *w = &p->window;
    const int32_t top = oh * w->stride_h - w->pad_top, left = ow * w->stride_w - w->pad_left;
    int8_t *const end = to + padded;
    if (fleet_is_inside(top, w->kernel_h, w->dilation_h, w->in_h) && fleet_is_inside(left, w->kernel_w, w->dilation_w, w->in_w)) {
        to = copy_inside(p, image + (top * w->in_w + left) * (p->in_planar ? 1 : w->in_c), to);
    } else {
        to = copy_border(p, image, top, left, to);
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
    /* And outputs lie as inputs do. */
    const _Bool dense = pointwise && w->stride_h == 1 && w->stride_w == 1 && w->in_h == w->out_h && w->in_w == w->out_w;
    /* Groups inside, so that nothing is written over what another group of the same outputs reads. */
    for (int32_t i = 0; i < pixels; i += 2) {
        const int32_t columns = i + 1 < pixels ? 2 : 1;
        const int32_t first = p->backwards ? pixels - i - columns : i;
        for (int32_t group = 0; group < p->groups; ++group) {
            for (int32_t column = 0; column < columns; ++column) {
                const int32_t at = first + column;
                if (dense) {
                    fleet_widen(x + at * w->in_c, words, patch, column, columns);
                    continue;
                }
                const int32_t line = at / w->out_w, ow = at - line * w->out_w;
                const int32_t n = line / w->out_h, oh = line - n * w->out_h;
                const int8_t *image = x + n * w->in_h * w->in_w * w->in_c;
                if (pointwise) {
                    const int32_t pixel = oh * w->stride_h * w->in_w + ow * w->stride_w;
                    fleet_widen(image + pixel * w->in_c, words, patch, column, columns);
                    continue;
                }
                image += group * group_in * (p->in_planar ? w->in_h * w->in_w : 1);
                copy_window(p, image, oh, ow, window, 4 * words);
                fleet_widen(window, words, patch, column, columns);
            }
            const struct fleet_outputs outputs = {bias + group * group_out, multipliers + group * group_out,
                                                  p->out_zero_point, p->out_min, p->out_max};
            fleet_patch_products(patch, columns, words, weights + group * FLEET_ROUND_UP(group_out, 2) * 4 * words, &outputs,
                                 group_out, y + first * w->out_c + group * group_out, w->out_c);
        }
    }
}

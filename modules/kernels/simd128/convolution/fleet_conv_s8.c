#include <stdbool.h>

#include "common/window.h"
#include "fleet_kernels.h"
#include "simd128/common/widen.h"
#include "simd128/convolution/patch_dot_s8.h"

/* A row of the input, from the first channel of the group on. */
struct row {
    const int8_t *x; /* NULL above and below the input */
    int32_t width;
    int32_t channels; /* of the group */
    int32_t column_step, channel_step;
    int32_t zero_point;
};

/* Three planes side by side: the colours of an image, eight columns at a time. */
static int16_t *widen_rgb(const int8_t *x, int32_t plane, int32_t columns, int32_t zero_point, int16_t *out)
{
    const v128_t zero = wasm_i16x8_splat((int16_t)zero_point);
    int32_t i = 0;
    for (; i + 8 <= columns; i += 8) {
        const v128_t r = wasm_v128_load64_zero(x + i);
        const v128_t g = wasm_v128_load64_zero(x + plane + i);
        const v128_t b = wasm_v128_load64_zero(x + 2 * plane + i);
        const v128_t rg = wasm_i8x16_shuffle(r, g, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        const v128_t head = wasm_i8x16_shuffle(rg, b, 0, 1, 16, 2, 3, 17, 4, 5, 18, 6, 7, 19, 8, 9, 20, 10);
        const v128_t tail = wasm_i8x16_shuffle(rg, b, 11, 21, 12, 13, 22, 14, 15, 23, 0, 0, 0, 0, 0, 0, 0, 0);
        wasm_v128_store(out, wasm_i16x8_sub(wasm_i16x8_extend_low_i8x16(head), zero));
        wasm_v128_store(out + 8, wasm_i16x8_sub(wasm_i16x8_extend_high_i8x16(head), zero));
        wasm_v128_store(out + 16, wasm_i16x8_sub(wasm_i16x8_extend_low_i8x16(tail), zero));
        out += 24;
    }
    for (; i < columns; ++i) {
        for (int32_t c = 0; c < 3; ++c) {
            *out++ = (int16_t)(x[c * plane + i] - zero_point);
        }
    }
    return out;
}

/* Columns `first` … `first + count − 1`, with what lies outside the input. */
static int16_t *widen_columns(const struct row *row, int32_t first, int32_t count, int16_t *out)
{
    const struct fleet_range range = fleet_range_inside(first, count, 1, row->width);
    const int32_t inside = row->x ? fleet_range_count(range) : 0;
    const int32_t before = inside ? range.first : count;
    out = fleet_widen_padding(before * row->channels, out);
    const int8_t *x = row->x + (inside ? (first + before) * row->column_step : 0);
    if (row->channel_step != 1 && row->channels == 3) {
        out = widen_rgb(x, row->channel_step, inside, row->zero_point, out);
    } else if (row->channel_step != 1) {
        for (int32_t i = 0; i < inside; ++i) {
            for (int32_t c = 0; c < row->channels; ++c) {
                *out++ = (int16_t)(x[c * row->channel_step + i] - row->zero_point);
            }
        }
    } else if (row->column_step == row->channels) {
        out = fleet_widen(x, inside * row->channels, row->zero_point, out);
    } else {
        for (int32_t i = 0; i < inside; ++i) {
            out = fleet_widen(x + i * row->column_step, row->channels, row->zero_point, out);
        }
    }
    return fleet_widen_padding((count - before - inside) * row->channels, out);
}

/* One kernel row of the windows of `pixels` outputs, the first window at column `left`. */
static void widen_windows(const struct row *row, const struct fleet_window *w, int32_t left, int32_t pixels, int16_t *out)
{
    if (w->dilation_w == 1 && w->stride_w <= w->kernel_w) {
        widen_columns(row, left, (pixels - 1) * w->stride_w + w->kernel_w, out);
        return;
    }
    for (int32_t i = 0; i < pixels; ++i) {
        for (int32_t kw = 0; kw < w->kernel_w; ++kw) {
            out = widen_columns(row, left + kw * w->dilation_w, 1, out);
        }
        left += w->stride_w;
    }
}

/* Gives each output of a tile of a flat patch a copy of its window: one segment of all pairs.
 * rows: widened, `run` elements apart.  step: elements between neighbouring outputs. */
static struct fleet_patch splat_windows(const int16_t *rows, int32_t run, int32_t step, const struct fleet_patch *shared,
                                        int32_t pixels, int16_t *windows)
{
    int16_t *end = windows;
    for (int32_t i = 0; i < pixels; ++i) {
        for (int32_t s = 0; s < shared->segments; ++s) {
            fleet_splat(rows + s * run + i * step, 2 * shared->pairs, end);
            end += 8 * shared->pairs;
        }
    }
    const int32_t pairs = shared->segments * shared->pairs;
    return (struct fleet_patch){windows, 8 * pairs, 0, 1, pairs, pixels};
}

void fleet_conv_s8(const struct fleet_conv_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                   const float *multipliers, int8_t *y, void *scratch)
{
    struct fleet_window w = p->window;
    if (w.kernel_h == 1 && w.kernel_w == 1 && w.stride_h == 1 && w.stride_w == 1 && w.out_h == w.in_h && w.out_w == w.in_w &&
        !p->in_planar) {
        /* No pads, then, and pixels do not see each other: one long row. */
        w.in_w = w.out_w = w.batch * w.out_h * w.out_w;
        w.batch = w.in_h = w.out_h = 1;
    }
    const int32_t group_in = w.in_c / p->groups;
    const int32_t group_out = w.out_c / p->groups;
    const int32_t group_padded = FLEET_ROUND_UP(group_out, 4);
    const int32_t pairs = (w.kernel_w * group_in + 1) / 2;
    const int32_t group_weights = group_padded * w.kernel_h * pairs * 2;
    const int32_t plane = w.in_h * w.in_w;
    const int32_t step = FLEET_CONV_S8_STEP(w.kernel_w, w.stride_w, w.dilation_w) * group_in;
    const bool flat = FLEET_CONV_S8_FLAT(w.kernel_h, w.kernel_w * group_in, step, 1);
    _Alignas(16) int8_t stack[FLEET_STACK_PATCH];
    int16_t *const data = scratch ? scratch : (void *)stack;
    int16_t *const widened = data + FLEET_CONV_S8_WINDOWS(p->patch_pixels, w.kernel_h, w.kernel_w, group_in) / 2;
    struct row row = {0, w.in_w, group_in, p->in_planar ? 1 : w.in_c, p->in_planar ? plane : 1, p->in_zero_point};

    const int32_t lines = w.batch * w.out_h;
    const int32_t patches = (w.out_w + p->patch_pixels - 1) / p->patch_pixels;
    for (int32_t i = 0; i < lines; ++i) {
        const int32_t at = p->backwards ? lines - 1 - i : i;
        const int32_t n = at / w.out_h;
        const int32_t oh = at % w.out_h;
        const int32_t top = oh * w.stride_h - w.pad_top;
        struct fleet_range rows = fleet_range_inside(top, w.kernel_h, w.dilation_h, w.in_h);
        if (flat || fleet_range_count(rows) == 0) {
            rows = (struct fleet_range){0, w.kernel_h};
        }
        for (int32_t j = 0; j < patches; ++j) {
            const int32_t ow = (p->backwards ? patches - 1 - j : j) * p->patch_pixels;
            const int32_t pixels = FLEET_MIN(p->patch_pixels, w.out_w - ow);
            const int32_t run = (pixels - 1) * step + w.kernel_w * group_in;
            for (int32_t g = 0; g < p->groups; ++g) {
                struct fleet_patch_output out = {
                    y + ((n * w.out_h + oh) * w.out_w + ow) * w.out_c + g * group_out,
                    w.out_c,
                    group_out,
                    p->out_zero_point,
                    p->out_min,
                    p->out_max,
                };
                const struct fleet_patch patch = {data, step * 4, FLEET_SPLATTED(run), rows.last - rows.first, pairs, pixels};
                for (int32_t s = 0; s < patch.segments; ++s) {
                    const int32_t ih = top + (rows.first + s) * w.dilation_h;
                    int16_t *const segment = data + s * patch.segment_step;
                    int16_t *const out_row = flat ? widened + s * run : fleet_unsplatted(segment, run);
                    row.x = ih < 0 || ih >= w.in_h ? (const int8_t *)0
                                                   : x + n * plane * w.in_c + ih * w.in_w * row.column_step +
                                                         g * group_in * row.channel_step;
                    widen_windows(&row, &w, ow * w.stride_w - w.pad_left, pixels, out_row);
                    if (!flat) {
                        fleet_splat(out_row, run, segment);
                    }
                }
                const int32_t tile = flat ? FLEET_CONV_S8_TILE : pixels;
                for (int32_t first = 0; first < pixels; first += tile) {
                    const struct fleet_patch part =
                        flat ? splat_windows(widened + first * step, run, step, &patch, FLEET_MIN(tile, pixels - first), data)
                             : patch;
                    fleet_patch_dot_s8(&part, weights + g * group_weights, flat ? 0 : rows.first, flat ? 1 : w.kernel_h,
                                       bias + g * group_padded, multipliers + g * group_padded, &out);
                    out.y += tile * w.out_c;
                }
            }
        }
    }
}

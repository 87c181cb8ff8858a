#include <stdbool.h>

#include "common/window.h"
#include "fleet_kernels.h"
#include "simd128/convolution/activations.h"

/* A row of the input, from the first channel of the group on. */
struct row {
    const int8_t *x; /* NULL above and below the input */
    int32_t width;
    int32_t channels; /* of the group */
    int32_t column_step, channel_step;
    int32_t zero_point;
    int32_t kernel, stride, dilation; /* of windows, in columns */
};

/* Three planes side by side: the colours of an image, eight columns at a time; `columns` is a multiple of eight. */
static __attribute__((noinline, minsize)) fleet_activation *take_rgb(const int8_t *x, int32_t plane, int32_t columns,
                                                                     int32_t zero_point, fleet_activation *out)
{
    for (int32_t i = 0; i < columns; i += 8) {
        const v128_t r = wasm_v128_load64_zero(x + i);
        const v128_t g = wasm_v128_load64_zero(x + plane + i);
        const v128_t b = wasm_v128_load64_zero(x + 2 * plane + i);
        const v128_t rg = wasm_i8x16_shuffle(r, g, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        const v128_t head = wasm_i8x16_shuffle(rg, b, 0, 1, 16, 2, 3, 17, 4, 5, 18, 6, 7, 19, 8, 9, 20, 10);
        const v128_t tail = wasm_i8x16_shuffle(rg, b, 11, 21, 12, 13, 22, 14, 15, 23, 0, 0, 0, 0, 0, 0, 0, 0);
        out = fleet_take_halves(head, 2, zero_point, out);
        out = fleet_take_halves(tail, 1, zero_point, out);
    }
    return out;
}

/* Columns `first` … `first + count − 1`, with what lies outside the input. */
static fleet_activation *take_columns(const struct row *row, int32_t first, int32_t count, fleet_activation *out)
{
    const struct fleet_range range = fleet_range_inside(first, count, 1, row->width);
    const int32_t inside = row->x ? fleet_range_count(range) : 0;
    const int32_t before = inside ? range.first : count;
    out = fleet_take_padding(before * row->channels, row->zero_point, out);
    const int8_t *x = row->x + (inside ? (first + before) * row->column_step : 0);
    if (row->channel_step != 1) {
        int32_t i = 0;
        if (row->channels == 3) {
            i = inside & -8;
            out = take_rgb(x, row->channel_step, i, row->zero_point, out);
        }
        for (; i < inside; ++i) {
            for (int32_t c = 0; c < row->channels; ++c) {
                *out++ = fleet_take_one(x[c * row->channel_step + i], row->zero_point);
            }
        }
    } else {
        const bool together = row->column_step == row->channels;
        const int32_t run = together ? inside * row->channels : row->channels;
        const int32_t runs = together ? 1 : inside;
        for (int32_t i = 0; i < runs; ++i) {
            out = fleet_take(x + i * row->column_step, run, row->zero_point, out);
        }
    }
    return fleet_take_padding((count - before - inside) * row->channels, row->zero_point, out);
}

/* One kernel row of the windows of `pixels` outputs, the first window at column `left`. */
static void take_windows(const struct row *row, int32_t left, int32_t pixels, fleet_activation *out)
{
    if (row->dilation == 1 && row->stride <= row->kernel) {
        take_columns(row, left, (pixels - 1) * row->stride + row->kernel, out);
        return;
    }
    for (int32_t i = 0; i < pixels; ++i) {
        for (int32_t k = 0; k < row->kernel; ++k) {
            out = take_columns(row, left + k * row->dilation, 1, out);
        }
        left += row->stride;
    }
}

/* Rows of a flat patch. */
struct rows {
    const fleet_activation *first;
    int32_t count, step; /* activations from one to the next */
    int32_t length;      /* of a window */
};

/* Copies the windows of outputs that are `step` activations apart, `pitch` apart. Reads and writes up to a vector too much. */
static void copy_windows(const struct rows *rows, int32_t step, int32_t pixels, fleet_activation *copies, int32_t pitch)
{
    const int32_t length = rows->length;
    for (int32_t i = 0; i < pixels; ++i) {
        const fleet_activation *x = rows->first + i * step;
        fleet_activation *copy = copies + i * pitch;
        for (int32_t r = rows->count; r > 0; --r) {
            int32_t j = 0;
            do {
                wasm_v128_store(copy + j, wasm_v128_load(x + j));
                j += 4 * FLEET_LANE;
            } while (j < length);
            x += rows->step;
            copy += length;
        }
    }
}

/* Adds the excess of a segment of each output. */
static void add_excess(const fleet_activation *row, int32_t step, int32_t count, int32_t pixels, bool first, int32_t *excess)
{
    for (int32_t i = 0; FLEET_CONV_S8_RELAXED && i < pixels; i += 4) {
        const v128_t more = fleet_excess(row + i * step, step, pixels - 1 - i, count);
        wasm_v128_store(excess + i, first ? more : wasm_i32x4_add(wasm_v128_load(excess + i), more));
    }
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
    const int32_t length = w.kernel_w * group_in;
    const int32_t plane = w.in_h * w.in_w;
    const int32_t step = FLEET_CONV_S8_STEP(w.kernel_w, w.stride_w, w.dilation_w) * group_in;
    const bool flat = FLEET_CONV_S8_FLAT(w.kernel_h, length, step);
    const int32_t segments = flat ? 1 : w.kernel_h;
    const int32_t lanes = FLEET_CONV_S8_LANES(w.kernel_h / segments * length);
    const int32_t group_weights = group_padded * segments * lanes * FLEET_LANE;
    _Alignas(16) int8_t stack[FLEET_STACK_PATCH];
    fleet_activation *const data = scratch ? scratch : (void *)stack;
    fleet_activation *const taken = data + FLEET_CONV_S8_DATA(p->patch_pixels, 1, p->patch_pixels * FLEET_LANE * lanes) / (int32_t)sizeof(*data);
    struct row row = {
        0, w.in_w, group_in, p->in_planar ? 1 : w.in_c, p->in_planar ? plane : 1, p->in_zero_point,
        w.kernel_w, w.stride_w, w.dilation_w,
    };

    const int32_t lines = w.batch * w.out_h;
    const int32_t patches = (w.out_w + p->patch_pixels - 1) / p->patch_pixels;
    for (int32_t i = 0; i < lines; ++i) {
        const int32_t at = p->backwards ? lines - 1 - i : i;
        const int32_t n = at / w.out_h;
        const int32_t oh = at % w.out_h;
        const int32_t top = oh * w.stride_h - w.pad_top;
        struct fleet_range rows = fleet_range_inside(top, w.kernel_h, w.dilation_h, w.in_h);
        if (FLEET_CONV_S8_RELAXED || flat || fleet_range_count(rows) == 0) {
            rows = (struct fleet_range){0, w.kernel_h};
        }
        for (int32_t j = 0; j < patches; ++j) {
            const int32_t ow = (p->backwards ? patches - 1 - j : j) * p->patch_pixels;
            const int32_t pixels = FLEET_MIN(p->patch_pixels, w.out_w - ow);
            const int32_t run = (pixels - 1) * step + length;
            for (int32_t g = 0; g < p->groups; ++g) {
                const struct fleet_patch_output out = {
                    y + ((n * w.out_h + oh) * w.out_w + ow) * w.out_c + g * group_out,
                    w.out_c,
                    group_out,
                    p->out_zero_point,
                    p->out_min,
                    p->out_max,
                };
                const int32_t apart = flat ? FLEET_LANE * lanes : step;
                const int32_t used = flat ? 1 : rows.last - rows.first;
                const int32_t splatted = flat ? pixels * apart : run;
                const int32_t segment_step = FLEET_SPLATTED(splatted);
                int32_t *const excess = (int32_t *)(data + used * segment_step + 4 * FLEET_LANE);
                const struct fleet_patch patch = {data, 4 * apart, segment_step, used, lanes, pixels, excess};
                for (int32_t s = rows.first; s < rows.last; ++s) {
                    const int32_t ih = top + s * w.dilation_h;
                    fleet_activation *const segment = data + (flat ? 0 : s - rows.first) * segment_step;
                    fleet_activation *const unsplatted = fleet_unsplatted(segment, splatted);
                    row.x = ih < 0 || ih >= w.in_h ? (const int8_t *)0
                                                   : x + n * plane * w.in_c + ih * w.in_w * row.column_step +
                                                         g * group_in * row.channel_step;
                    take_windows(&row, ow * w.stride_w - w.pad_left, pixels, flat ? taken + s * run : unsplatted);
                    if (flat) {
                        if (s + 1 < rows.last) {
                            continue;
                        }
                        const struct rows all = {taken, w.kernel_h, run, length};
                        copy_windows(&all, step, pixels, unsplatted, apart);
                    }
                    add_excess(unsplatted, apart, FLEET_LANE * lanes, pixels, flat || s == rows.first, excess);
                    fleet_splat(unsplatted, splatted, segment);
                }
                fleet_patch_dot_s8(&patch, weights + g * group_weights, flat ? 0 : rows.first, segments,
                                   bias + g * group_padded, multipliers + g * group_padded, &out);
            }
        }
    }
}

#include <stdbool.h>

#include "common/window.h"
#include "fleet_kernels.h"
#include "simd128/common/requantize.h"

/* Channels that are computed at a time. */
#define BLOCK 8

/* A *place* is where a tap of a window begins, in bytes from the window's corner, wherever that lies. There is an even number of
 * them, as taps are multiplied in pairs: the second of a last pair meets zero weights. */

/* Places of the window at (top, left) of an input of so many rows and columns. */
static __attribute__((noinline)) void find_places(const struct fleet_window *w, int32_t top, int32_t left, int32_t rows,
                                                  int32_t columns, uintptr_t outside, uintptr_t *places)
{
    for (int32_t kh = 0; kh < w->kernel_h; ++kh) {
        const int32_t down = kh * w->dilation_h;
        for (int32_t kw = 0; kw < w->kernel_w; ++kw) {
            const int32_t right = kw * w->dilation_w;
            const bool inside = top + down >= 0 && top + down < rows && left + right >= 0 && left + right < columns;
            *places++ = inside ? (uintptr_t)((down * w->in_w + right) * w->in_c) : outside;
        }
    }
    *places = outside;
}

/* Copies the last channels of a window, lest reading eight at a time goes beyond the input. */
static __attribute__((noinline)) void copy_few(uintptr_t corner, const uintptr_t *from, int32_t count, int32_t channels,
                                               int8_t *few, uintptr_t *places)
{
    for (int32_t i = 0; i < count; ++i) {
        const int8_t *x = (const int8_t *)(corner + from[i]);
        for (int32_t c = 0; c < channels; ++c) {
            few[c] = x[c];
        }
        places[i] = (uintptr_t)few - corner;
        few += BLOCK;
    }
}

/* Adds one pair of taps of eight channels. */
static inline __attribute__((always_inline)) void dot_taps(uintptr_t corner, const uintptr_t *places, const int8_t *weights,
                                                           v128_t sum[2])
{
    const v128_t a = wasm_i16x8_load8x8((const int8_t *)(corner + places[0]));
    const v128_t b = wasm_i16x8_load8x8((const int8_t *)(corner + places[1]));
    const v128_t low = wasm_i16x8_shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
    const v128_t high = wasm_i16x8_shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
    sum[0] = wasm_i32x4_add(sum[0], wasm_i32x4_dot_i16x8(low, wasm_i16x8_load8x8(weights)));
    sum[1] = wasm_i32x4_add(sum[1], wasm_i32x4_dot_i16x8(high, wasm_i16x8_load8x8(weights + BLOCK)));
}

void fleet_depthwise_conv_s8(const struct fleet_conv_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                             const float *multipliers, int8_t *y, void *scratch)
{
    const struct fleet_window *w = &p->window;
    const struct fleet_to_int8_lanes q = fleet_to_int8_lanes_of(p->out_zero_point, p->out_min, p->out_max);
    const int32_t count = FLEET_ROUND_UP(w->kernel_h * w->kernel_w, 2);
    const int32_t rows_inside = w->in_h - (w->kernel_h - 1) * w->dilation_h;
    const int32_t columns_inside = w->in_w - (w->kernel_w - 1) * w->dilation_w;
    _Alignas(16) int8_t stack[FLEET_STACK_PATCH];
    int8_t *const patch = scratch ? scratch : stack;
    uintptr_t *const inner = (void *)patch;
    uintptr_t *const border = (void *)(patch + 8 * count);
    int8_t *const few = patch + 16 * count;
    int8_t *const outside = patch + 24 * count;
    for (int32_t c = 0; c < w->in_c; ++c) {
        outside[c] = (int8_t)p->in_zero_point;
    }
    find_places(w, 0, 0, INT32_MAX, INT32_MAX, 0, inner);

    const int32_t few_channels = w->out_c % BLOCK;
    const int32_t lines = w->batch * w->out_h;
    const int32_t direction = p->backwards ? -1 : 1;
    const int32_t first_left = (p->backwards ? (w->out_w - 1) * w->stride_w : 0) - w->pad_left;
    int8_t *out = y + (p->backwards ? (lines * w->out_w - 1) * w->out_c : 0);
    for (int32_t i = 0; i < lines; ++i) {
        const int32_t line = p->backwards ? lines - 1 - i : i;
        const int32_t top = line % w->out_h * w->stride_h - w->pad_top;
        const bool in_rows = top >= 0 && top < rows_inside;
        int32_t left = first_left;
        uintptr_t at = (uintptr_t)x + (uintptr_t)(((line / w->out_h * w->in_h + top) * w->in_w + left) * w->in_c);
        for (int32_t j = w->out_w; j > 0; --j) {
            uintptr_t corner = at;
            const uintptr_t *places = inner;
            if (!in_rows || left < 0 || left >= columns_inside) {
                find_places(w, top, left, w->in_h, w->in_w, (uintptr_t)outside - corner, border);
                places = border;
            }
            /* All whole blocks, then, where they can be read and written whole, the channels that are left. */
            const int8_t *taps = weights;
            int8_t *to = out;
            const int8_t *last = out + (w->out_c - few_channels);
            int32_t c = 0;
            for (;;) {
                for (; to < last; to += BLOCK) {
                    v128_t sum[2] = {wasm_v128_load(bias + c), wasm_v128_load(bias + c + 4)};
                    const int8_t *const end = taps + BLOCK * count;
                    /* As in patch_dot_s8.c: two pairs a turn. */
                    for (const uintptr_t *place = places;; place += 4) {
                        dot_taps(corner, place, taps, sum);
                        taps += 4 * BLOCK;
                        if (taps > end) {
                            break;
                        }
                        dot_taps(corner, place + 2, taps - 2 * BLOCK, sum);
                        if (taps == end) {
                            break;
                        }
                    }
                    taps = end;
                    corner += BLOCK;
                    const v128_t low = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sum[0]), wasm_v128_load(multipliers + c));
                    const v128_t high = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sum[1]), wasm_v128_load(multipliers + c + 4));
                    wasm_v128_store64_lane(to, fleet_to_int8_x8(low, high, &q), 0);
                    c += BLOCK;
                }
                if (c >= w->out_c) {
                    break;
                }
                copy_few(corner, places, count, few_channels, few, border);
                places = border;
                to = few;
                last = few + BLOCK;
            }
            for (int32_t k = 0; k < few_channels; ++k) {
                out[w->out_c - few_channels + k] = few[k];
            }
            left += direction * w->stride_w;
            at += (uintptr_t)(direction * w->stride_w * w->in_c);
            out += direction * w->out_c;
        }
    }
}

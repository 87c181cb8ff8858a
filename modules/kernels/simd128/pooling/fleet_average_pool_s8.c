#include "common/window.h"
#include "fleet_kernels.h"
#include "simd128/common/requantize.h"

/* Channels that are summed at a time. */
#define BLOCK 8

/* A window along one axis: where it begins inside the input, how many of its positions lie there, how many count. */
struct along {
    int32_t first, inside, counted;
};

/* padding: before and behind the input, 0 where it does not count. A function of its own, as it is large for what it takes. */
static __attribute__((noinline)) void window_along(int32_t origin, int32_t kernel, int32_t dilation, int32_t extent,
                                                   int32_t before, int32_t behind, struct along *window)
{
    const struct fleet_range inside = fleet_range_inside(origin, kernel, dilation, extent);
    window->first = origin + inside.first * dilation;
    window->inside = fleet_range_count(inside);
    window->counted = fleet_range_count(fleet_range_inside(origin + before, kernel, dilation, before + extent + behind));
}

/* The first `count` of eight bytes, lest reading all goes beyond the input. */
static __attribute__((noinline)) v128_t load_few(const int8_t *x, int32_t count)
{
    int8_t all[BLOCK] = {0};
    for (int32_t i = 0; i < count; ++i) {
        all[i] = x[i];
    }
    return wasm_i16x8_load8x8(all);
}

/* Optimized for size: clang would make copies of the loops for what is rare, and gain nothing. */
__attribute__((minsize))
void fleet_average_pool_s8(const struct fleet_average_pool_s8_params *p, const int8_t *x, int8_t *y)
{
    const struct fleet_window *w = &p->window;
    const struct fleet_to_int8_lanes q = fleet_to_int8_lanes_of(p->out_zero_point, p->out_min, p->out_max);
    const int32_t padded = p->count_include_pad ? -1 : 0;
    const int32_t column_step = w->dilation_w * w->in_c;
    const int32_t row_step = w->dilation_h * w->in_w * w->in_c;

    for (int32_t n = 0; n < w->batch; ++n) {
        for (int32_t oh = 0; oh < w->out_h; ++oh) {
            struct along rows;
            window_along(oh * w->stride_h - w->pad_top, w->kernel_h, w->dilation_h, w->in_h, w->pad_top & padded,
                         w->pad_bottom & padded, &rows);
            for (int32_t ow = 0; ow < w->out_w; ++ow) {
                struct along columns;
                window_along(ow * w->stride_w - w->pad_left, w->kernel_w, w->dilation_w, w->in_w, w->pad_left & padded,
                             w->pad_right & padded, &columns);
                const float count = (float)(rows.counted * columns.counted);
                const v128_t multiplier = wasm_f32x4_splat(p->in_scale / (p->out_scale * count));
                const v128_t start = wasm_i32x4_splat(-p->in_zero_point * rows.inside * columns.inside);
                const int8_t *corner = x + ((n * w->in_h + rows.first) * w->in_w + columns.first) * w->in_c;
                for (int32_t left = w->in_c; left > 0; left -= BLOCK) {
                    v128_t low = start;
                    v128_t high = start;
                    const int8_t *row = corner;
                    for (int32_t i = rows.inside; i > 0; --i) {
                        const int8_t *at = row;
                        for (int32_t j = columns.inside; j > 0; --j) {
                            const v128_t eight = left < BLOCK ? load_few(at, left) : wasm_i16x8_load8x8(at);
                            low = wasm_i32x4_add(low, wasm_i32x4_extend_low_i16x8(eight));
                            high = wasm_i32x4_add(high, wasm_i32x4_extend_high_i16x8(eight));
                            at += column_step;
                        }
                        row += row_step;
                    }
                    low = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(low), multiplier);
                    high = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(high), multiplier);
                    const v128_t bytes = fleet_to_int8_x8(low, high, &q);
                    if (left < BLOCK) {
                        fleet_store_few(y, bytes, left);
                        y += left;
                        break;
                    }
                    wasm_v128_store64_lane(y, bytes, 0);
                    y += BLOCK;
                    corner += BLOCK;
                }
            }
        }
    }
}

/* Convolutions, pools and products. */
#include "mcu/host/extents.h"

/* Positions along one side: fleet/window.h. With all of them below 2^30 together, and the dilation too, no sum of the kernels' leaves
 * an int32, also where a kernel of one element has a dilation that means nothing. */
static bool side(int32_t in, int32_t out, int32_t kernel, int32_t stride, int32_t dilation, int32_t before, int32_t behind)
{
    if (!fleet_positive(in) || !fleet_positive(out) || !fleet_positive(kernel) || !fleet_positive(stride) ||
        !fleet_positive(dilation) || before < 0 || behind < 0) {
        return false;
    }
    const uint64_t reach = fleet_sum(fleet_product((uint64_t)out, (uint64_t)stride),
                                     fleet_product((uint64_t)kernel - 1, (uint64_t)dilation));
    const uint64_t padded = fleet_sum((uint64_t)in, fleet_sum((uint64_t)before, (uint64_t)behind));
    return fleet_sum(reach, padded) < (UINT64_C(1) << 30) && dilation < (1 << 30);
}

static bool window(const struct fleet_window *w)
{
    return fleet_positive(w->batch) && fleet_positive(w->in_c) && fleet_positive(w->out_c) &&
           side(w->in_h, w->out_h, w->kernel_h, w->stride_h, w->dilation_h, w->pad_top, w->pad_bottom) &&
           side(w->in_w, w->out_w, w->kernel_w, w->stride_w, w->dilation_w, w->pad_left, w->pad_right) &&
           fleet_product((uint64_t)w->kernel_h, (uint64_t)w->kernel_w) < (1 << 23);
}

static uint64_t elements(int32_t batch, int32_t h, int32_t wide, int32_t c)
{
    return fleet_product(fleet_product((uint64_t)batch, (uint64_t)h), fleet_product((uint64_t)wide, (uint64_t)c));
}

static uint64_t inputs(const struct fleet_window *w)
{
    return elements(w->batch, w->in_h, w->in_w, w->in_c);
}

static uint64_t outputs(const struct fleet_window *w)
{
    return elements(w->batch, w->out_h, w->out_w, w->out_c);
}

static uint64_t taps(const struct fleet_window *w)
{
    return (uint64_t)w->kernel_h * (uint64_t)w->kernel_w;
}

static bool groups(const struct fleet_window *w, int32_t count)
{
    return fleet_positive(count) && w->in_c % count == 0 && w->out_c % count == 0;
}

bool fleet_extents_conv_s8(const void *params, struct fleet_extent *extents)
{
    const struct fleet_conv_s8_params *p = params;
    const struct fleet_window *w = &p->window;
    if (!window(w) || !groups(w, p->groups) || !fleet_between(p->in_planar, 0, 1) || !fleet_between(p->backwards, 0, 1) ||
        !fleet_between(p->in_zero_point, -128, 127) || !fleet_is_int8(p->out_zero_point, p->out_min, p->out_max)) {
        return false;
    }
    const uint64_t window_bytes = fleet_product(taps(w), (uint64_t)(w->in_c / p->groups));
    if (window_bytes >= INT32_MAX / 8) {
        return false;
    }
    const uint64_t channels = FLEET_ROUND_UP((uint64_t)(w->out_c / p->groups), 2) * (uint64_t)p->groups;
    extents[0] = fleet_reads(inputs(w), 1);
    extents[1] = fleet_reads(fleet_product(FLEET_ROUND_UP(window_bytes, 4), channels), 4);
    extents[2] = fleet_reads(4 * (uint64_t)w->out_c, 4);
    extents[3] = fleet_reads(4 * (uint64_t)w->out_c, 4);
    extents[4] = fleet_writes(outputs(w), 1);
    extents[5] = fleet_writes(5 * FLEET_ROUND_UP(window_bytes, 4), 4);
    return true;
}

bool fleet_extents_depthwise_conv_s8(const void *params, struct fleet_extent *extents)
{
    const struct fleet_conv_s8_params *p = params;
    const struct fleet_window *w = &p->window;
    if (!window(w) || w->in_c != w->out_c || !fleet_between(p->backwards, 0, 1) ||
        !fleet_between(p->in_zero_point, -128, 127) || !fleet_is_int8(p->out_zero_point, p->out_min, p->out_max)) {
        return false;
    }
    const uint64_t channels = FLEET_ROUND_UP((uint64_t)w->out_c, 4);
    extents[0] = fleet_reads(inputs(w), 1);
    extents[0].in_memory = true;
    extents[1] = fleet_reads(fleet_product(taps(w), channels), 4);
    extents[2] = fleet_reads(4 * (uint64_t)w->out_c, 4);
    extents[3] = fleet_reads(4 * (uint64_t)w->out_c, 4);
    extents[4] = fleet_writes(outputs(w), 1);
    extents[5] = fleet_writes(fleet_sum(channels, 8 * taps(w)), 4);
    return true;
}

bool fleet_extents_matmul_s8(const void *params, struct fleet_extent *extents)
{
    const struct fleet_matmul_s8_params *p = params;
    if (!fleet_positive(p->rows) || !fleet_between(p->depth, 1, INT32_MAX / 8) || !fleet_positive(p->columns) ||
        !fleet_between(p->in_zero_point, -128, 127) || !fleet_is_int8(p->out_zero_point, p->out_min, p->out_max)) {
        return false;
    }
    const uint64_t depth = FLEET_ROUND_UP((uint64_t)p->depth, 4);
    extents[0] = fleet_reads(fleet_product((uint64_t)p->rows, (uint64_t)p->depth), 1);
    extents[1] = fleet_reads(fleet_product(depth, FLEET_ROUND_UP((uint64_t)p->columns, 2)), 4);
    extents[2] = fleet_reads(4 * (uint64_t)p->columns, 4);
    extents[3] = fleet_reads(4 * (uint64_t)p->columns, 4);
    extents[4] = fleet_writes(fleet_product((uint64_t)p->rows, (uint64_t)p->columns), 1);
    extents[5] = fleet_writes(5 * depth, 4);
    return true;
}

bool fleet_extents_conv_f32(const void *params, struct fleet_extent *extents)
{
    const struct fleet_conv_f32_params *p = params;
    const struct fleet_window *w = &p->window;
    if (!window(w) || !groups(w, p->groups)) {
        return false;
    }
    const uint64_t filter = fleet_product(taps(w), (uint64_t)(w->in_c / p->groups));
    extents[0] = fleet_reads(fleet_product(4, inputs(w)), 4);
    extents[1] = fleet_reads(fleet_product(fleet_product(4, filter), (uint64_t)w->out_c), 4);
    extents[2] = fleet_reads(4 * (uint64_t)w->out_c, 4);
    extents[3] = fleet_writes(fleet_product(4, outputs(w)), 4);
    return true;
}

bool fleet_extents_depthwise_conv_f32(const void *params, struct fleet_extent *extents)
{
    const struct fleet_conv_f32_params *p = params;
    const struct fleet_window *w = &p->window;
    if (!window(w) || w->in_c != w->out_c) {
        return false;
    }
    extents[0] = fleet_reads(fleet_product(4, inputs(w)), 4);
    extents[1] = fleet_reads(fleet_product(4 * taps(w), (uint64_t)w->out_c), 4);
    extents[2] = fleet_reads(4 * (uint64_t)w->out_c, 4);
    extents[3] = fleet_writes(fleet_product(4, outputs(w)), 4);
    return true;
}

bool fleet_extents_matmul_f32(const void *params, struct fleet_extent *extents)
{
    const struct fleet_matmul_f32_params *p = params;
    if (!fleet_positive(p->batch) || !fleet_positive(p->rows) || !fleet_positive(p->depth) || !fleet_positive(p->columns) ||
        p->a_batch_stride < 0 || p->b_batch_stride < 0 || !fleet_between(p->bias_stride, 0, 1)) {
        return false;
    }
    const uint64_t rows = (uint64_t)p->rows, depth = (uint64_t)p->depth, columns = (uint64_t)p->columns;
    const uint64_t batch = (uint64_t)p->batch;
    /* The kernel steps once more than it reads. */
    const uint64_t a = fleet_product(batch, (uint64_t)p->a_batch_stride), b = fleet_product(batch, (uint64_t)p->b_batch_stride);
    extents[0] = fleet_reads(fleet_product(4, fleet_sum(a, fleet_product(rows, depth)) - (a > 0 ? (uint64_t)p->a_batch_stride : 0)), 4);
    extents[1] = fleet_reads(fleet_product(4, fleet_sum(b, fleet_product(depth, columns)) - (b > 0 ? (uint64_t)p->b_batch_stride : 0)), 4);
    extents[2] = fleet_reads(p->bias_stride ? 4 * columns : 4, 4);
    extents[3] = fleet_writes(fleet_product(fleet_product(4, batch), fleet_product(rows, columns)), 4);
    return a < FLEET_TOO_MUCH && b < FLEET_TOO_MUCH && fleet_product(rows, depth) < FLEET_TOO_MUCH &&
           fleet_product(depth, columns) < FLEET_TOO_MUCH;
}

static bool pool(const struct fleet_window *w, uint64_t size, struct fleet_extent *extents)
{
    if (!window(w) || w->in_c != w->out_c) {
        return false;
    }
    extents[0] = fleet_reads(fleet_product(size, inputs(w)), (uint32_t)size);
    extents[1] = fleet_writes(fleet_product(size, outputs(w)), (uint32_t)size);
    return true;
}

bool fleet_extents_max_pool_s8(const void *params, struct fleet_extent *extents)
{
    const struct fleet_max_pool_s8_params *p = params;
    return fleet_is_int8(0, p->out_min, p->out_max) && pool(&p->window, 1, extents);
}

bool fleet_extents_average_pool_s8(const void *params, struct fleet_extent *extents)
{
    const struct fleet_average_pool_s8_params *p = params;
    return fleet_between(p->count_include_pad, 0, 1) && fleet_between(p->in_zero_point, -128, 127) &&
           fleet_is_int8(p->out_zero_point, p->out_min, p->out_max) && pool(&p->window, 1, extents);
}

bool fleet_extents_max_pool_f32(const void *params, struct fleet_extent *extents)
{
    const struct fleet_max_pool_f32_params *p = params;
    return pool(&p->window, 4, extents);
}

bool fleet_extents_average_pool_f32(const void *params, struct fleet_extent *extents)
{
    const struct fleet_average_pool_f32_params *p = params;
    return fleet_between(p->count_include_pad, 0, 1) && pool(&p->window, 4, extents);
}

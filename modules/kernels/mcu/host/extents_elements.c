/* Operators element by element, and those that move bytes. */
#include "mcu/host/extents.h"

/* The last element that is `stride` apart in a dimension, and whether stepping past it still fits an int32 of bytes. */
static bool dimension(int32_t size, int32_t stride, uint64_t element_bytes, uint64_t *last)
{
    const uint64_t step = stride < 0 ? (uint64_t)(-(int64_t)stride) : (uint64_t)stride;
    *last = fleet_product((uint64_t)size - 1, step);
    return fleet_product(fleet_product((uint64_t)size, step), element_bytes) <= INT32_MAX;
}

static bool broadcast(const struct fleet_broadcast *b, uint64_t element_bytes, struct fleet_extent *extents)
{
    uint64_t reach_a = 0, reach_b = 0, count = 1;
    if (!fleet_between(b->rank, 1, FLEET_MAX_RANK)) {
        return false;
    }
    for (int32_t d = 0; d < b->rank; ++d) {
        uint64_t last_a, last_b;
        if (!fleet_positive(b->shape[d]) || b->a_stride[d] < 0 || b->b_stride[d] < 0 ||
            !dimension(b->shape[d], b->a_stride[d], element_bytes, &last_a) ||
            !dimension(b->shape[d], b->b_stride[d], element_bytes, &last_b)) {
            return false;
        }
        reach_a = fleet_sum(reach_a, last_a);
        reach_b = fleet_sum(reach_b, last_b);
        count = fleet_product(count, (uint64_t)b->shape[d]);
    }
    extents[0] = fleet_reads(fleet_product(element_bytes, fleet_sum(reach_a, 1)), (uint32_t)element_bytes);
    extents[1] = fleet_reads(fleet_product(element_bytes, fleet_sum(reach_b, 1)), (uint32_t)element_bytes);
    extents[2] = fleet_writes(fleet_product(element_bytes, count), (uint32_t)element_bytes);
    return true;
}

bool fleet_extents_add_f32(const void *params, struct fleet_extent *extents)
{
    const struct fleet_binary_f32_params *p = params;
    return broadcast(&p->broadcast, 4, extents);
}

bool fleet_extents_add_s8(const void *params, struct fleet_extent *extents)
{
    const struct fleet_add_s8_params *p = params;
    return fleet_between(p->a_zero_point, -128, 127) && fleet_between(p->b_zero_point, -128, 127) &&
           fleet_is_int8(p->out_zero_point, p->out_min, p->out_max) && broadcast(&p->broadcast, 1, extents);
}

bool fleet_extents_mul_s8(const void *params, struct fleet_extent *extents)
{
    const struct fleet_mul_s8_params *p = params;
    return fleet_between(p->a_zero_point, -128, 127) && fleet_between(p->b_zero_point, -128, 127) &&
           fleet_is_int8(p->out_zero_point, p->out_min, p->out_max) && broadcast(&p->broadcast, 1, extents);
}

static bool unary(int32_t count, uint64_t in_bytes, uint64_t out_bytes, struct fleet_extent *extents)
{
    extents[0] = fleet_reads(fleet_product(in_bytes, (uint64_t)count), (uint32_t)in_bytes);
    extents[1] = fleet_writes(fleet_product(out_bytes, (uint64_t)count), (uint32_t)out_bytes);
    return fleet_positive(count);
}

bool fleet_extents_clip_f32(const void *params, struct fleet_extent *extents)
{
    const struct fleet_clip_f32_params *p = params;
    return unary(p->count, 4, 4, extents);
}

bool fleet_extents_hard_sigmoid_f32(const void *params, struct fleet_extent *extents)
{
    const struct fleet_hard_sigmoid_f32_params *p = params;
    return unary(p->count, 4, 4, extents);
}

bool fleet_extents_unary_f32(const void *params, struct fleet_extent *extents)
{
    const struct fleet_unary_f32_params *p = params;
    return unary(p->count, 4, 4, extents);
}

bool fleet_extents_quantize(const void *params, struct fleet_extent *extents)
{
    const struct fleet_quantize_params *p = params;
    return fleet_between(p->zero_point, -128, 127) && unary(p->count, 4, 1, extents);
}

bool fleet_extents_dequantize(const void *params, struct fleet_extent *extents)
{
    const struct fleet_quantize_params *p = params;
    return fleet_between(p->zero_point, -128, 127) && unary(p->count, 1, 4, extents);
}

bool fleet_extents_table_s8(const void *params, struct fleet_extent *extents)
{
    const struct fleet_table_s8_params *p = params;
    if (!fleet_positive(p->rows) || !fleet_positive(p->columns) || p->in_stride < p->columns || p->out_stride < p->columns) {
        return false;
    }
    const uint64_t before = (uint64_t)p->rows - 1;
    extents[0] = fleet_reads(fleet_sum(fleet_product(before, (uint64_t)p->in_stride), (uint64_t)p->columns), 1);
    extents[1] = fleet_reads(256, 1);
    extents[2] = fleet_writes(fleet_sum(fleet_product(before, (uint64_t)p->out_stride), (uint64_t)p->columns), 1);
    return true;
}

static bool softmax(int32_t outer, int32_t length, int32_t inner, uint64_t *count)
{
    *count = fleet_product(fleet_product((uint64_t)outer, (uint64_t)length), (uint64_t)inner);
    return fleet_positive(outer) && fleet_positive(length) && fleet_positive(inner);
}

bool fleet_extents_softmax_f32(const void *params, struct fleet_extent *extents)
{
    const struct fleet_softmax_f32_params *p = params;
    uint64_t count;
    const bool sound = softmax(p->outer, p->length, p->inner, &count);
    extents[0] = fleet_reads(fleet_product(4, count), 4);
    extents[1] = fleet_writes(fleet_product(4, count), 4);
    return sound;
}

bool fleet_extents_softmax_s8(const void *params, struct fleet_extent *extents)
{
    const struct fleet_softmax_s8_params *p = params;
    uint64_t count;
    const bool sound = softmax(p->outer, p->length, p->inner, &count) && p->length <= 65536 &&
                       fleet_between(p->out_zero_point, -128, 127);
    extents[0] = fleet_reads(count, 1);
    extents[1] = fleet_reads(1024, 4);
    extents[2] = fleet_writes(count, 1);
    return sound;
}

bool fleet_extents_copy(const void *params, struct fleet_extent *extents)
{
    const struct fleet_copy_params *p = params;
    extents[0] = fleet_reads((uint64_t)p->bytes, 1);
    extents[1] = fleet_writes((uint64_t)p->bytes, 1);
    return fleet_positive(p->bytes);
}

bool fleet_extents_strided_copy(const void *params, struct fleet_extent *extents)
{
    const struct fleet_strided_copy_params *p = params;
    const int32_t size = p->element_bytes;
    if ((size != 1 && size != 2 && size != 4 && size != 8) || !fleet_between(p->rank, 1, FLEET_MAX_RANK)) {
        return false;
    }
    const uint64_t bytes = (uint64_t)size;
    uint64_t before = 0, reach = 0, written = 0;
    for (int32_t d = 0; d < p->rank; ++d) {
        uint64_t last_in, last_out;
        if (!fleet_positive(p->shape[d]) || p->out_stride[d] < 0 || p->in_stride[d] == INT32_MIN ||
            !dimension(p->shape[d], p->in_stride[d], bytes, &last_in) ||
            !dimension(p->shape[d], p->out_stride[d], bytes, &last_out)) {
            return false;
        }
        if (p->in_stride[d] < 0) {
            before = fleet_sum(before, last_in);
        } else {
            reach = fleet_sum(reach, last_in);
        }
        written = fleet_sum(written, last_out);
    }
    extents[0] = fleet_reads(fleet_product(bytes, fleet_sum(reach, 1)), (uint32_t)size);
    extents[0].before = fleet_product(bytes, before);
    extents[1] = fleet_writes(fleet_product(bytes, fleet_sum(written, 1)), (uint32_t)size);
    return true;
}

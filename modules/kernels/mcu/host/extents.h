/* What a kernel touches, computed from parameters that nobody has checked: in 64 bits, and never past what they can hold. */
#ifndef FLEET_HOST_EXTENTS_H
#define FLEET_HOST_EXTENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "fleet_host.h"
#include "fleet_kernels.h"

/* More than any memory has. */
#define FLEET_TOO_MUCH (UINT64_C(1) << 32)

/* One argument: bytes from it on, bytes before it (kernels that walk backwards), the alignment it needs, and whether it must lie in
 * linear memory: what is written, and what a kernel finds by its distance from that. */
struct fleet_extent {
    uint64_t bytes, before;
    uint32_t alignment;
    bool in_memory;
};

/* The arguments behind the parameters, in order. False if a parameter is not as the kernel's header asks: then nothing of the
 * extents means anything. */
typedef bool fleet_extents(const void *params, struct fleet_extent *extents);

fleet_extents fleet_extents_add_f32, fleet_extents_add_s8, fleet_extents_mul_s8;
fleet_extents fleet_extents_average_pool_f32, fleet_extents_average_pool_s8, fleet_extents_max_pool_f32, fleet_extents_max_pool_s8;
fleet_extents fleet_extents_conv_f32, fleet_extents_conv_s8, fleet_extents_depthwise_conv_f32, fleet_extents_depthwise_conv_s8;
fleet_extents fleet_extents_matmul_f32, fleet_extents_matmul_s8;
fleet_extents fleet_extents_clip_f32, fleet_extents_hard_sigmoid_f32, fleet_extents_unary_f32, fleet_extents_table_s8;
fleet_extents fleet_extents_copy, fleet_extents_strided_copy;
fleet_extents fleet_extents_dequantize, fleet_extents_quantize;
fleet_extents fleet_extents_softmax_f32, fleet_extents_softmax_s8;

/* a · b, and a + b, or FLEET_TOO_MUCH. */
static inline uint64_t fleet_product(uint64_t a, uint64_t b)
{
    if (a >= FLEET_TOO_MUCH || b >= FLEET_TOO_MUCH) {
        return a == 0 || b == 0 ? 0 : FLEET_TOO_MUCH;
    }
    const uint64_t product = a * b;
    return product < FLEET_TOO_MUCH ? product : FLEET_TOO_MUCH;
}

static inline uint64_t fleet_sum(uint64_t a, uint64_t b)
{
    return a >= FLEET_TOO_MUCH || b >= FLEET_TOO_MUCH || a + b >= FLEET_TOO_MUCH ? FLEET_TOO_MUCH : a + b;
}

static inline bool fleet_between(int64_t value, int64_t least, int64_t most)
{
    return least <= value && value <= most;
}

static inline bool fleet_positive(int32_t value)
{
    return value >= 1;
}

static inline struct fleet_extent fleet_reads(uint64_t bytes, uint32_t alignment)
{
    return (struct fleet_extent){bytes, 0, alignment, false};
}

static inline struct fleet_extent fleet_writes(uint64_t bytes, uint32_t alignment)
{
    return (struct fleet_extent){bytes, 0, alignment, true};
}

/* Whether bounds and zero point of an int8 output hold. */
static inline bool fleet_is_int8(int32_t zero_point, int32_t least, int32_t most)
{
    return fleet_between(zero_point, -128, 127) && fleet_between(least, -128, most) && most <= 127;
}

#endif

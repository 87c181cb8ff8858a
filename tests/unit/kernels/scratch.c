/* The headers' scratch macros as functions. */
#include "fleet_kernels.h"

#define EXPORT __attribute__((visibility("default")))

/* Variants without scratch ignore what it depends on. */
#pragma clang diagnostic ignored "-Wunused-parameter"

EXPORT int32_t scratch_fleet_conv_s8(int32_t pixels, int32_t kernel_h, int32_t kernel_w, int32_t step, int32_t ic)
{
    return FLEET_CONV_S8_SCRATCH(pixels, kernel_h, kernel_w, step, ic);
}

EXPORT int32_t scratch_fleet_winograd_conv_s8(int32_t tiles, int32_t ic)
{
    return FLEET_WINOGRAD_CONV_S8_SCRATCH(tiles, ic);
}

EXPORT int32_t scratch_fleet_matmul_s8(int32_t rows, int32_t depth)
{
    return FLEET_MATMUL_S8_SCRATCH(rows, depth);
}

EXPORT int32_t scratch_fleet_depthwise_conv_s8(int32_t kernel_h, int32_t kernel_w, int32_t channels)
{
    return FLEET_DEPTHWISE_CONV_S8_SCRATCH(kernel_h, kernel_w, channels);
}

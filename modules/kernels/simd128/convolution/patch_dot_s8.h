/* The matrix product inside every int8 convolution and product: a patch of widened activations times packed weights. */
#ifndef FLEET_SIMD128_PATCH_DOT_S8_H
#define FLEET_SIMD128_PATCH_DOT_S8_H

#include <stdint.h>

/* Distances are in int16 elements. The activations of output i are `segments` runs of `2·pairs` elements, run s at
 * data + i·pixel_step + s·segment_step. An odd run reads one element too many, which meets a zero weight. */
struct fleet_patch {
    const int16_t *data;
    int32_t pixel_step;
    int32_t segment_step;
    int32_t segments;
    int32_t pairs;
};

struct fleet_patch_output {
    int32_t pixel_step; /* bytes from one output pixel to the next */
    int32_t channels;
    int32_t zero_point, min, max;
};

/* Computes `pixels` outputs of all channels; weights, bias and multipliers packed as fleet_conv_s8 says, for one group. */
void fleet_patch_dot_s8(const struct fleet_patch *patch, int32_t pixels, const int8_t *weights, const int32_t *bias,
                        const float *multipliers, const struct fleet_patch_output *out, int8_t *y);

#endif

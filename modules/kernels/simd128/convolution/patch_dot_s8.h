/* The matrix product inside every int8 convolution and product: a patch of activations times packed weights. */
#ifndef FLEET_SIMD128_PATCH_DOT_S8_H
#define FLEET_SIMD128_PATCH_DOT_S8_H

#include <stdint.h>

#include "fleet/scratch.h"

/* Activations are kept splatted: each pair of int16 four times, so that one load feeds a dot product with the weights of four
 * channels. Engines splat by two shuffles, which are worth doing once and not once for each block of channels.
 *
 * Distances are in int16 elements. The activations of output i are `segments` runs of `pairs` pairs, run s at
 * data + i·pixel_step + s·segment_step. */
struct fleet_patch {
    const int16_t *data;
    int32_t pixel_step;
    int32_t segment_step;
    int32_t segments;
    int32_t pairs;
    int32_t pixels;
};

struct fleet_patch_output {
    int8_t *y;
    int32_t pixel_step; /* bytes from one output pixel to the next */
    int32_t channels;
    int32_t zero_point, min, max;
};

/* weights, bias, multipliers: as fleet_conv_s8 packs them, of one group. The weights have `segments` segments, of which the
 * patch has those from `first_segment` on: the others meet nothing but padding. */
void fleet_patch_dot_s8(const struct fleet_patch *patch, const int8_t *weights, int32_t first_segment, int32_t segments,
                        const int32_t *bias, const float *multipliers, const struct fleet_patch_output *out);

/* Int16 elements that `count` widened activations take once they are splatted. */
#define FLEET_SPLATTED(count) (FLEET_ROUND_UP(count, 8) * 4)

/* Where to put `count` widened activations that fleet_splat is then to expand to the begin of `patch`: in its last quarter,
 * which the expansion reaches last. */
static inline int16_t *fleet_unsplatted(int16_t *patch, int32_t count)
{
    return patch + FLEET_SPLATTED(count) / 4 * 3;
}

/* Splats `count` int16. Writes FLEET_SPLATTED(count), reads as many as are a multiple of 8. */
void fleet_splat(const int16_t *x, int32_t count, int16_t *patch);

#endif

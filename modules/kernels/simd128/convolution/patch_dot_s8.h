/* The matrix product inside every int8 convolution and product: a patch of activations times packed weights. */
#ifndef FLEET_SIMD128_PATCH_DOT_S8_H
#define FLEET_SIMD128_PATCH_DOT_S8_H

#include <wasm_simd128.h>

#include <stdint.h>

#include "fleet/convolution.h"

/* An activation as it is multiplied: less the zero point, or with relaxed SIMD, whose products take bytes, as it is. */
#ifdef __wasm_relaxed_simd__
typedef int8_t fleet_activation;
#else
typedef int16_t fleet_activation;
#endif

/* Activations are kept splatted: each lane of FLEET_LANE of them four times, so that one load feeds a dot product with the
 * weights of four channels. Engines splat by two shuffles, which are worth doing once and not once for each block of channels.
 *
 * Distances are in activations. Those of output i are `segments` runs of `lanes` lanes, run s at
 * data + i·pixel_step + s·segment_step. */
struct fleet_patch {
    const fleet_activation *data;
    int32_t pixel_step;
    int32_t segment_step;
    int32_t segments;
    int32_t lanes;
    int32_t pixels;
    const int32_t *excess; /* of each output, as fleet_excess tells it; read only where products are relaxed */
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

/* Activations that `count` of them take once they are splatted. */
#define FLEET_SPLATTED(count) (FLEET_ROUND_UP(count, 4 * FLEET_LANE) * 4)

/* Where to put `count` activations that fleet_splat is then to expand to the begin of `patch`: in its last quarter, which the
 * expansion reaches last. */
static inline fleet_activation *fleet_unsplatted(fleet_activation *patch, int32_t count)
{
    return patch + FLEET_SPLATTED(count) / 4 * 3;
}

/* What the offset of the weights adds to every sum over `count` activations, a multiple of FLEET_LANE, for four runs that are
 * `step` apart. The last is taken for those beyond `last`. */
v128_t fleet_excess(const fleet_activation *x, int32_t step, int32_t last, int32_t count);

/* Splats `count` activations. Writes FLEET_SPLATTED(count), reads as many as are a multiple of 4 · FLEET_LANE. */
void fleet_splat(const fleet_activation *x, int32_t count, fleet_activation *patch);

#endif

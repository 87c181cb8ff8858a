/* Convolutions. */
#ifndef FLEET_CONVOLUTION_H
#define FLEET_CONVOLUTION_H

#include <stdint.h>

#include "fleet/scratch.h"
#include "fleet/window.h"

/* groups   >= 1, divides in_c and out_c; IC = in_c / groups and OC = out_c / groups below. */
struct fleet_conv_s8_params {
    struct fleet_window window;
    int32_t groups;
    int32_t in_zero_point;
    int32_t out_zero_point;
    int32_t out_min, out_max;
};

/* int8 convolution. Not in place. |bias| + Σ|w|·max(127 − zx, zx + 128) < 2^31 for each output channel; multipliers finite.
 *
 * Packing for reference:
 *   weights       [groups][OC][kernel_h][kernel_w][IC]   (OHWI)
 *   bias          [out_c] int32
 *   multipliers   [out_c] float
 *
 * Packing for simd128. Output channels of a group are padded with zeros to OC4 = ROUND_UP(OC, 4) and cut into blocks, from the
 * first channel on: as many of 16 as fit, then one of 8 if 8 are left, then one of 4 if 4 are left. A *segment* is one kernel
 * row: its kernel_w·IC weights (kw outer, ic inner), padded with one zero to an even number, that is
 * PAIRS = (kernel_w·IC + 1) / 2 pairs:
 *   weights       [groups] blocks of width B, each [kernel_h][PAIRS][B][2]      groups · OC4 · kernel_h · PAIRS · 2 bytes
 *   bias          [groups][OC4] int32
 *   multipliers   [groups][OC4] float
 * All three are 16-aligned.
 */
void fleet_conv_s8(const struct fleet_conv_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                   const float *multipliers, int8_t *y, void *scratch);

/* Columns of the patch that two neighbouring outputs are apart: windows share columns where they overlap without gaps. */
#define FLEET_CONV_S8_STEP(kernel_w, stride_w, dilation_w) \
    ((dilation_w) == 1 && (stride_w) < (kernel_w) ? (stride_w) : (kernel_w))

/* Outputs of a patch: what fits into FLEET_PATCH_BYTES, but four at least (each patch reads all weights again), and no more
 * than `line`. */
#define FLEET_CONV_S8_PIXELS(line, kernel_h, kernel_w, step, ic)                                               \
    FLEET_MIN(line, FLEET_MAX(4, (FLEET_PATCH_BYTES / 2 / ((kernel_h) * (ic)) - (kernel_w)) / (step) + 1))

/* line: outputs in a row, out_w; for a 1×1 kernel with stride 1 and no pads: batch·out_h·out_w.  step: FLEET_CONV_S8_STEP. */
#ifdef __wasm_simd128__
#define FLEET_CONV_S8_SCRATCH(line, kernel_h, kernel_w, step, ic)                                              \
    FLEET_ROUND_UP(2 * (kernel_h) * (ic) *                                                                     \
                           ((FLEET_CONV_S8_PIXELS(line, kernel_h, kernel_w, step, ic) - 1) * (step) + (kernel_w)) + \
                       2,                                                                                      \
                   16)
#else
#define FLEET_CONV_S8_SCRATCH(line, kernel_h, kernel_w, step, ic) 0
#endif

/* int8 depthwise convolution: groups = in_c = out_c, weights of one input channel each. Conditions as fleet_conv_s8;
 * groups is not read.
 *
 * Packing for reference:
 *   weights       [kernel_h][kernel_w][out_c]
 *   bias, multipliers   [out_c]
 *
 * Packing for simd128, with C4 = ROUND_UP(out_c, 4) and kernel rows taken in ROWS2 = (kernel_h + 1) / 2 pairs; the row
 * and the channels beyond the end are zero:
 *   weights       [C4 / 4][ROWS2][kernel_w][4][2]   (channel in the block, row of the pair)   C4 · ROWS2 · kernel_w · 2 bytes
 *   bias, multipliers   [C4]
 * All three are 16-aligned.
 */
void fleet_depthwise_conv_s8(const struct fleet_conv_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                             const float *multipliers, int8_t *y, void *scratch);

/* extent: (kernel_w − 1)·dilation_w + 1, the input columns of one output.  channels: out_c.
 * The patch holds 64 channels at a time, or 8 where one output of 64 would not fit. */
#define FLEET_DEPTHWISE_CONV_S8_CHANNELS(channels, kernel_h, extent)                                           \
    (((kernel_h) + 1) / 2 * (extent)*256 <= FLEET_PATCH_BYTES ? FLEET_MIN(64, FLEET_ROUND_UP(channels, 8)) : 8)
#define FLEET_DEPTHWISE_CONV_S8_PIXELS(out_w, channels, kernel_h, stride_w, extent)                            \
    FLEET_MIN(out_w,                                                                                           \
              FLEET_MAX(1, (FLEET_PATCH_BYTES / (((kernel_h) + 1) / 2 * 4 *                                    \
                                                 FLEET_DEPTHWISE_CONV_S8_CHANNELS(channels, kernel_h, extent)) - \
                            (extent)) /                                                                        \
                                   (stride_w) +                                                                \
                               1))
#ifdef __wasm_simd128__
#define FLEET_DEPTHWISE_CONV_S8_SCRATCH(out_w, channels, kernel_h, stride_w, extent)                           \
    (((kernel_h) + 1) / 2 * 4 * FLEET_DEPTHWISE_CONV_S8_CHANNELS(channels, kernel_h, extent) *                 \
     ((FLEET_DEPTHWISE_CONV_S8_PIXELS(out_w, channels, kernel_h, stride_w, extent) - 1) * (stride_w) + (extent)))
#else
#define FLEET_DEPTHWISE_CONV_S8_SCRATCH(out_w, channels, kernel_h, stride_w, extent) 0
#endif

/* groups as above.  out_min <= out_max, infinities allowed, no NaN. */
struct fleet_conv_f32_params {
    struct fleet_window window;
    int32_t groups;
    float out_min, out_max;
};

/* float32 convolution. Not in place. bias [groups][OC] (zeros where the model has none); simd128 pads it as the weights.
 *
 * Packing for reference:   weights [groups][kernel_h][kernel_w][IC][OC]   (HWIO),   bias [out_c]
 * Packing for simd128:     output channels of a group in blocks of 16, 8, 4 with OC4 channels in all, as fleet_conv_s8:
 *   weights       [groups] blocks of width B, each [kernel_h][kernel_w][IC][B]
 *   bias          [groups][OC4]
 * Both are 16-aligned.
 */
void fleet_conv_f32(const struct fleet_conv_f32_params *p, const float *x, const float *weights, const float *bias, float *y);

/* float32 depthwise convolution: groups = in_c = out_c. weights [kernel_h][kernel_w][out_c], bias [out_c], for every
 * variant. groups is not read. */
void fleet_depthwise_conv_f32(const struct fleet_conv_f32_params *p, const float *x, const float *weights, const float *bias,
                              float *y);

#endif

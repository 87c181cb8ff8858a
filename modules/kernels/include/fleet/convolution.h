/* Convolutions. */
#ifndef FLEET_CONVOLUTION_H
#define FLEET_CONVOLUTION_H

#include <stdint.h>

#include "fleet/scratch.h"
#include "fleet/window.h"

/* groups         >= 1, divides in_c and out_c; IC = in_c / groups and OC = out_c / groups below
 * in_planar      0 or 1; 1: the input is [batch, in_c, in_h, in_w]. fleet_conv_s8 only
 * backwards      0 or 1; 1: the last output is computed first, so that the output may run over the input from above
 * patch_pixels   >= 1; outputs that a fast kernel computes at a time: more of them need more scratch and read the weights less
 *                often. 4 and multiples of it are best */
struct fleet_conv_s8_params {
    struct fleet_window window;
    int32_t groups;
    int32_t in_planar;
    int32_t in_zero_point;
    int32_t out_zero_point;
    int32_t out_min, out_max;
    int32_t backwards;
    int32_t patch_pixels;
};

/* int8 convolution. |bias| + Σ|w|·max(127 − zx, zx + 128) < 2^31 for each output channel; multipliers finite.
 *
 * Overlap: outputs are written patch by patch in the order of memory, or backwards, each patch after everything it reads.
 * With one group the output may overlap the input as far as nothing is written before the last patch that reads what lies
 * there: controller/compiler/plan/overlap.py tells how far.
 *
 * Packing for reference:
 *   weights       [groups][OC][kernel_h][kernel_w][IC]   (OHWI)
 *   bias          [out_c] int32
 *   multipliers   [out_c] float
 *
 * Packing for simd128. Output channels of a group are padded with zeros to OC4 = ROUND_UP(OC, 4) and cut into blocks, from the
 * first channel on: as many of 8 as fit, then one of 4 if 4 are left. A *segment* is one kernel row: its kernel_w·IC weights
 * (kw outer, ic inner), padded with one zero to an even number, that is PAIRS = (kernel_w·IC + 1) / 2 pairs:
 *   weights       [groups] blocks of width B, each [kernel_h][PAIRS][B][2]      groups · OC4 · kernel_h · PAIRS · 2 bytes
 *   bias          [groups][OC4] int32
 *   multipliers   [groups][OC4] float
 * All three are 16-aligned.
 *
 * With relaxed SIMD, for weights from -64 to 63: as for simd128, but a segment is padded to a multiple of four, and its *lanes*
 * of four weights stand where its pairs stand. Weights are stored plus FLEET_CONV_S8_OFFSET, zeros of padding, too:
 *   weights       [groups] blocks of width B, each [kernel_h][LANES][B][4]      groups · OC4 · kernel_h · LANES · 4 bytes
 *   bias          [groups][OC4], less in_zero_point · Σ weights, modulo 2^32
 */
void fleet_conv_s8(const struct fleet_conv_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                   const float *multipliers, int8_t *y, void *scratch);

/* Activations that fast kernels keep in 32 bits, as products are summed: two int16, or four int8 with relaxed SIMD. */
#ifdef __wasm_relaxed_simd__
#define FLEET_LANE 4
#else
#define FLEET_LANE 2
#endif

/* Whether products are relaxed. Then padding is not zero but the zero point, so that rows outside the input are computed, too,
 * and weights have an offset: i32x4.relaxed_dot_i8x16_i7x16_add_s tells the same sum everywhere for weights from 0 to 127. */
#define FLEET_CONV_S8_RELAXED (FLEET_LANE == 4)
#define FLEET_CONV_S8_OFFSET 64

/* Columns of input that neighbouring outputs are apart: windows share those in which they overlap. */
#define FLEET_CONV_S8_STEP(kernel_w, stride_w, dilation_w) \
    ((dilation_w) == 1 && (stride_w) <= (kernel_w) ? (stride_w) : (kernel_w))

/* Whether each output has a copy of its whole window, as one segment: where windows would not begin with a lane otherwise, and where segments
 * are so short that going from one to the next would cost more. */
#define FLEET_CONV_S8_FLAT(kernel_h, length, step) ((step) % FLEET_LANE || ((kernel_h) > 1 && (length) < 8))

/* Activations of one row of input. */
#define FLEET_CONV_S8_RUN(pixels, kernel_w, step, ic) ((((pixels)-1) * (step) + (kernel_w)) * (ic))

#define FLEET_CONV_S8_LANES(count) (((count) + FLEET_LANE - 1) / FLEET_LANE)

/* Bytes of `segments` segments of `count` activations that are splatted, a vector beyond, and of what the products of each output
 * have in excess. A flat patch is one segment; the rows that its windows are copied from lie behind. */
#define FLEET_CONV_S8_DATA(pixels, segments, count)                                    \
    (16 / FLEET_LANE * (segments) * FLEET_ROUND_UP(count, 4 * FLEET_LANE) + 16 + \
     (FLEET_CONV_S8_RELAXED ? FLEET_ROUND_UP(4 * (pixels), 16) : 0))
#define FLEET_CONV_S8_ROWS(kernel_h, run) FLEET_ROUND_UP(4 / FLEET_LANE * (kernel_h) * (run) + 16, 16)

/* pixels: patch_pixels.  step: FLEET_CONV_S8_STEP.  ic: IC.  What a patch is: see simd128/convolution/patch_dot_s8.h. */
#define FLEET_CONV_S8_PATCH(pixels, kernel_h, kernel_w, step, ic)                                                             \
    (FLEET_CONV_S8_FLAT(kernel_h, (kernel_w) * (ic), (step) * (ic))                                                           \
         ? FLEET_CONV_S8_DATA(pixels, 1, (pixels) * FLEET_LANE * FLEET_CONV_S8_LANES((kernel_h) * (kernel_w) * (ic))) +       \
               FLEET_CONV_S8_ROWS(kernel_h, FLEET_CONV_S8_RUN(pixels, kernel_w, step, ic))                                    \
         : FLEET_CONV_S8_DATA(pixels, kernel_h, FLEET_CONV_S8_RUN(pixels, kernel_w, step, ic)))
#define FLEET_CONV_S8_SCRATCH(pixels, kernel_h, kernel_w, step, ic) \
    FLEET_PATCH_SCRATCH(FLEET_CONV_S8_PATCH(pixels, kernel_h, kernel_w, step, ic))

/* int8 convolution of 3×3, stride 1, dilation 1, equal to fleet_conv_s8 bit for bit with fewer products (Winograd). Not in place.
 *   in_c             a multiple of 8
 *   out_c            a multiple of 16
 *   groups           1;  in_planar 0;  backwards is not read
 *   patch_pixels     tiles of 2×2 outputs that are computed at a time: each time transforms all weights
 * Σ|w|·max(127 − zx, zx + 128) < 2^29 for each output channel, and the conditions of fleet_conv_s8.
 *
 * Packing for reference: as fleet_conv_s8. For simd128:
 *   weights       [out_c / 16][in_c / 2][kernel_h][kernel_w][16][2]
 *   bias, multipliers   [out_c]
 */
void fleet_winograd_conv_s8(const struct fleet_conv_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                            const float *multipliers, int8_t *y, void *scratch);

#ifdef __wasm_simd128__
#define FLEET_WINOGRAD_CONV_S8_SCRATCH(tiles, ic) (32 * (tiles) * (ic) + 512 * (ic) + 1024 * (tiles) + 2048)
#else
#define FLEET_WINOGRAD_CONV_S8_SCRATCH(tiles, ic) 0
#endif

/* int8 depthwise convolution: groups = in_c = out_c, weights of one input channel each. Conditions as fleet_conv_s8. The output
 * may overlap the input as there, a patch being one output. groups and patch_pixels are not read, in_planar is 0.
 *
 * Packing for reference:
 *   weights       [kernel_h][kernel_w][out_c]
 *   bias, multipliers   [out_c]
 *
 * Packing for simd128, with C8 = ROUND_UP(out_c, 8) and the taps, row by row, taken in PAIRS = (kernel_h·kernel_w + 1) / 2 pairs;
 * the tap and the channels beyond the end are zero:
 *   weights       [C8 / 8][PAIRS][8][2]   (channel in the block, tap of the pair)   C8 · PAIRS · 2 bytes
 *   bias          [C8], less in_zero_point · Σ weights, modulo 2^32
 *   multipliers   [C8]
 * All three are 16-aligned.
 */
void fleet_depthwise_conv_s8(const struct fleet_conv_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                             const float *multipliers, int8_t *y, void *scratch);

/* For each tap its place in a window inside the input and in one at the border, and a copy of the last channels; and what lies
 * outside the input, for each channel. */
#define FLEET_DEPTHWISE_CONV_S8_SCRATCH(kernel_h, kernel_w, channels) \
    FLEET_PATCH_SCRATCH(24 * FLEET_ROUND_UP((kernel_h) * (kernel_w), 2) + (channels))

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

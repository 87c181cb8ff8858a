/* Matrix products. */
#ifndef FLEET_MATMUL_H
#define FLEET_MATMUL_H

#include <stdint.h>

#include "fleet/convolution.h"

/* rows, depth, columns   >= 1
 * patch_rows             >= 1; rows that a fast kernel computes at a time, as patch_pixels of fleet_conv_s8_params */
struct fleet_matmul_s8_params {
    int32_t rows, depth, columns;
    int32_t in_zero_point;
    int32_t out_zero_point;
    int32_t out_min, out_max;
    int32_t patch_rows;
};

/* y[rows, columns] = x[rows, depth] · weights[depth, columns] + bias. Overlap as fleet_conv_s8.
 * Packing, sum and multipliers as fleet_conv_s8 with a 1×1 kernel, groups 1, IC = depth, OC = columns. */
void fleet_matmul_s8(const struct fleet_matmul_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                     const float *multipliers, int8_t *y, void *scratch);

/* rows: patch_rows. */
#define FLEET_MATMUL_S8_SCRATCH(rows, depth) FLEET_CONV_S8_SCRATCH(rows, 1, 1, 1, depth)

/* batch, rows, depth, columns   >= 1
 * a_batch_stride, b_batch_stride   elements from one matrix to the next, 0 to use one for all
 * bias_stride                      0: bias is one value for all columns; 1: bias [columns]
 * out_min <= out_max, infinities allowed, no NaN */
struct fleet_matmul_f32_params {
    int32_t batch, rows, depth, columns;
    int32_t a_batch_stride, b_batch_stride;
    int32_t bias_stride;
    float out_min, out_max;
};

/* y[batch, rows, columns] = a[rows, depth] · b[depth, columns] + bias for each of the batch; all row major, in every variant.
 * Not in place. A product by a constant is faster as fleet_conv_f32 with a 1×1 kernel, whose weights are packed. */
void fleet_matmul_f32(const struct fleet_matmul_f32_params *p, const float *a, const float *b, const float *bias, float *y);

#endif

/* Operators that move bytes, and the check of a model's float outputs. */
#ifndef FLEET_MOVEMENT_H
#define FLEET_MOVEMENT_H

#include <stdint.h>

#include "fleet/elementwise.h"

/* bytes >= 1 */
struct fleet_copy_params {
    int32_t bytes;
};

/* Reshape, Flatten, Identity where the planner could not let both names share a buffer. Not in place. */
void fleet_copy(const struct fleet_copy_params *p, const void *x, void *y);

/* Walks shape[0 … rank − 1] on both sides; strides are in elements and may be negative on the input side. Serves
 * Transpose, Slice, one input of Concat, Expand. Pass pointers to the first element that is read and written.
 *
 *   element_bytes   1, 2, 4 or 8; x and y and all strides are multiples of it in bytes
 *   rank            1 … FLEET_MAX_RANK, shape >= 1, the innermost loop is the last dimension
 *   out_stride      > 0 and without overlap */
struct fleet_strided_copy_params {
    int32_t element_bytes;
    int32_t rank;
    int32_t shape[FLEET_MAX_RANK];
    int32_t in_stride[FLEET_MAX_RANK];
    int32_t out_stride[FLEET_MAX_RANK];
};

/* Not in place. */
void fleet_strided_copy(const struct fleet_strided_copy_params *p, const void *x, void *y);

/* y[outer, indices, inner_bytes] = x[outer, length, inner_bytes] at each index of the axis.
 *
 *   outer, length, indices, inner_bytes   >= 1
 *   index_bytes                           4 (int32) or 8 (int64)
 *
 * An index i in −length … −1 means length + i. Any other outside 0 … length − 1 traps. */
struct fleet_gather_params {
    int32_t outer, length, indices, inner_bytes;
    int32_t index_bytes;
};

/* Not in place. */
void fleet_gather(const struct fleet_gather_params *p, const void *x, const void *indices, void *y);

/* count >= 1 */
struct fleet_all_finite_params {
    int32_t count;
};

/* 1 if no element of x is NaN or infinite, else 0. */
int32_t fleet_all_finite_f32(const struct fleet_all_finite_params *p, const float *x);

#endif

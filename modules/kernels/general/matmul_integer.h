/* int32 product of integer matrices: y[b] = (x[b] - x_zero) (w[b] - w_zero), wrapping.
 *   FLEET_X, FLEET_W   types of x and w
 * x_zero: one, or one for each row; w_zero: one, or one for each column. A stride of 0 repeats. */
#include <stdint.h>

#ifndef FLEET_GENERAL_MATMUL_INTEGER_H
#define FLEET_GENERAL_MATMUL_INTEGER_H
struct fleet_matmul_integer {
    int32_t batch, rows, depth, columns;
    int32_t x_batch, w_batch;           /* elements from one matrix to the next */
    int32_t x_zero_batch, w_zero_batch; /* the same of the zero points */
    int32_t x_zero_row, w_zero_column;  /* from one row or column to the next: 0 or 1 */
};
#endif

static void FLEET_KERNEL(const struct fleet_matmul_integer *p, const FLEET_X *x, const FLEET_W *w, const FLEET_X *x_zero,
                         const FLEET_W *w_zero, int32_t *y)
{
    for (int32_t b = 0; b < p->batch; ++b) {
        for (int32_t r = 0; r < p->rows; ++r) {
            const FLEET_X *row = x + b * p->x_batch + r * p->depth;
            const FLEET_W *matrix = w + b * p->w_batch;
            const FLEET_W *zeros = w_zero + b * p->w_zero_batch;
            const int32_t zero = x_zero[b * p->x_zero_batch + r * p->x_zero_row];
            for (int32_t c = 0; c < p->columns; ++c) {
                y[c] = 0;
            }
            uint32_t sum = 0;
            for (int32_t k = 0; k < p->depth; ++k) {
                const int32_t v = row[k] - zero;
                sum += (uint32_t)v;
                for (int32_t c = 0; c < p->columns; ++c) {
                    y[c] = (int32_t)((uint32_t)y[c] + (uint32_t)(v * matrix[k * p->columns + c]));
                }
            }
            for (int32_t c = 0; c < p->columns; ++c) {
                y[c] = (int32_t)((uint32_t)y[c] - sum * (uint32_t)(int32_t)zeros[c * p->w_zero_column]);
            }
            y += p->columns;
        }
    }
}

#include "common/numbers.h"
#include "fleet_kernels.h"

void fleet_matmul_f32(const struct fleet_matmul_f32_params *p, const float *a, const float *b, const float *bias, float *y)
{
    for (int32_t n = 0; n < p->batch; ++n) {
        for (int32_t row = 0; row < p->rows; ++row) {
            for (int32_t column = 0; column < p->columns; ++column) {
                float acc = bias[column * p->bias_stride];
                for (int32_t k = 0; k < p->depth; ++k) {
                    acc += a[row * p->depth + k] * b[k * p->columns + column];
                }
                *y++ = fleet_clip(acc, p->out_min, p->out_max);
            }
        }
        a += p->a_batch_stride;
        b += p->b_batch_stride;
    }
}

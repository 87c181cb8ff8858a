#include "common/numbers.h"
#include "fleet_kernels.h"

void fleet_matmul_s8(const struct fleet_matmul_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                     const float *multipliers, int8_t *y, void *scratch)
{
    (void)scratch;
    for (int32_t row = 0; row < p->rows; ++row) {
        for (int32_t column = 0; column < p->columns; ++column) {
            const int8_t *w = weights + column * p->depth;
            int32_t acc = bias[column];
            for (int32_t k = 0; k < p->depth; ++k) {
                acc += (x[k] - p->in_zero_point) * w[k];
            }
            *y++ = fleet_to_int8((float)acc * multipliers[column], p->out_zero_point, p->out_min, p->out_max);
        }
        x += p->depth;
    }
}

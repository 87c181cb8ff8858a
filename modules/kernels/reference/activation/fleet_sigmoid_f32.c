#include "common/exp.h"
#include "fleet_kernels.h"

void fleet_sigmoid_f32(const struct fleet_unary_f32_params *p, const float *x, float *y)
{
    for (int32_t i = 0; i < p->count; ++i) {
        y[i] = 1.0f / (1.0f + fleet_exp(-x[i]));
    }
}

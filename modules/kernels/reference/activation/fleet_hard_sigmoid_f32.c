#include "common/numbers.h"
#include "fleet_kernels.h"

void fleet_hard_sigmoid_f32(const struct fleet_hard_sigmoid_f32_params *p, const float *x, float *y)
{
    for (int32_t i = 0; i < p->count; ++i) {
        y[i] = fleet_clip(p->alpha * x[i] + p->beta, 0.0f, 1.0f);
    }
}

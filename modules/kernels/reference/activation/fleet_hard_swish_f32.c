#include "common/numbers.h"
#include "fleet_kernels.h"

void fleet_hard_swish_f32(const struct fleet_unary_f32_params *p, const float *x, float *y)
{
    for (int32_t i = 0; i < p->count; ++i) {
        y[i] = x[i] * fleet_clip(x[i] * 0x1.555556p-3f + 0.5f, 0.0f, 1.0f);
    }
}

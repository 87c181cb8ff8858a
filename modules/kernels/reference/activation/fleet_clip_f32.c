#include "common/numbers.h"
#include "fleet_kernels.h"

void fleet_clip_f32(const struct fleet_clip_f32_params *p, const float *x, float *y)
{
    for (int32_t i = 0; i < p->count; ++i) {
        y[i] = fleet_clip(x[i], p->out_min, p->out_max);
    }
}

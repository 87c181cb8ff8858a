#include "common/numbers.h"
#include "fleet_kernels.h"

void fleet_quantize_f32_s8(const struct fleet_quantize_params *p, const float *x, int8_t *y)
{
    for (int32_t i = 0; i < p->count; ++i) {
        y[i] = fleet_to_int8(x[i] / p->scale, p->zero_point, -128, 127);
    }
}

#include "fleet_kernels.h"

void fleet_dequantize_s8_f32(const struct fleet_quantize_params *p, const int8_t *x, float *y)
{
    for (int32_t i = 0; i < p->count; ++i) {
        y[i] = (float)(x[i] - p->zero_point) * p->scale;
    }
}

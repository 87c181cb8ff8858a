#include "fleet_kernels.h"

void fleet_winograd_conv_s8(const struct fleet_conv_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                            const float *multipliers, int8_t *y, void *scratch)
{
    fleet_conv_s8(p, x, weights, bias, multipliers, y, scratch);
}

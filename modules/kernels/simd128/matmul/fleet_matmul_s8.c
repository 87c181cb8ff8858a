#include "fleet_kernels.h"
#include "simd128/common/widen.h"
#include "simd128/convolution/patch_dot_s8.h"

void fleet_matmul_s8(const struct fleet_matmul_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                     const float *multipliers, int8_t *y, void *scratch)
{
    const int32_t rows = FLEET_CONV_S8_PIXELS(p->rows, 1, 1, 1, p->depth);
    const struct fleet_patch patch = {scratch, p->depth, 0, 1, (p->depth + 1) / 2};
    const struct fleet_patch_output out = {p->columns, p->columns, p->out_zero_point, p->out_min, p->out_max};

    for (int32_t row = 0; row < p->rows; row += rows) {
        const int32_t count = FLEET_MIN(rows, p->rows - row);
        fleet_widen(x + row * p->depth, count * p->depth, p->in_zero_point, scratch);
        fleet_patch_dot_s8(&patch, count, weights, bias, multipliers, &out, y + row * p->columns);
    }
}

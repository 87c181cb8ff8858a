#include "fleet_kernels.h"
#include "mcu/patch.h"

void fleet_matmul_s8(const struct fleet_matmul_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                     const float *multipliers, int8_t *y, void *scratch)
{
    const int32_t words = FLEET_ROUND_UP(p->depth, 4) / 4;
    const struct fleet_outputs outputs = {bias, multipliers, p->out_zero_point, p->out_min, p->out_max};
    uint32_t *const patch = scratch;
    int8_t *const line = (int8_t *)scratch + FLEET_PATCH_BYTES(words);
    for (int32_t row = 0; row < p->rows; row += 2) {
        const int32_t columns = row + 1 < p->rows ? 2 : 1;
        for (int32_t column = 0; column < columns; ++column) {
            fleet_take(line, x + (row + column) * p->depth, p->depth);
            fleet_fill(line + p->depth, 0, 4 * words - p->depth);
            fleet_widen(line, words, patch, column, columns);
        }
        fleet_patch_products(patch, columns, words, weights, &outputs, p->columns, y + row * p->columns, p->columns);
    }
}

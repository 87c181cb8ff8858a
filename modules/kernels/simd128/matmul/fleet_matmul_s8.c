#include "fleet_kernels.h"
#include "simd128/common/widen.h"
#include "simd128/convolution/patch_dot_s8.h"

void fleet_matmul_s8(const struct fleet_matmul_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                     const float *multipliers, int8_t *y, void *scratch)
{
    _Alignas(16) int8_t stack[FLEET_STACK_PATCH];
    int16_t *data = scratch ? scratch : (void *)stack;
    const int32_t pairs = (p->depth + 1) / 2;
    const struct fleet_sums sums = {bias, 0, (int32_t *)0};

    for (int32_t row = 0; row < p->rows; row += p->patch_rows) {
        const int32_t rows = FLEET_MIN(p->patch_rows, p->rows - row);
        int16_t *const begin = fleet_unsplatted(data, 2 * pairs * rows);
        int16_t *out = begin;
        for (int32_t i = row; i < row + rows; ++i) {
            out = fleet_widen(x + i * p->depth, p->depth, p->in_zero_point, out);
            out = fleet_widen_padding(p->depth % 2, out);
        }
        fleet_splat(begin, 2 * pairs * rows, data);
        const struct fleet_patch patch = {data, 8 * pairs, 0, 1, pairs, rows};
        const struct fleet_patch_output output = {
            y + row * p->columns, p->columns, p->columns, p->out_zero_point, p->out_min, p->out_max, multipliers,
        };
        fleet_patch_dot_s8(&patch, weights, 0, 1, &sums, &output);
    }
}

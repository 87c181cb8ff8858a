#include "fleet_kernels.h"

void fleet_table_s8(const struct fleet_table_s8_params *p, const int8_t *x, const int8_t *table, int8_t *y)
{
    const int8_t *zero = table + 128;
    for (int32_t row = 0; row < p->rows; ++row) {
        for (int32_t i = 0; i < p->columns; ++i) {
            y[i] = zero[x[i]];
        }
        x += p->in_stride;
        y += p->out_stride;
    }
}

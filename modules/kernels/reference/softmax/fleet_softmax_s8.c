#include "common/numbers.h"
#include "fleet_kernels.h"

void fleet_softmax_s8(const struct fleet_softmax_s8_params *p, const int8_t *x, const uint32_t *table, int8_t *y)
{
    const int32_t end = p->length * p->inner;
    for (int32_t outer = 0; outer < p->outer; ++outer) {
        for (int32_t inner = 0; inner < p->inner; ++inner) {
            int32_t largest = -128;
            for (int32_t i = inner; i < end; i += p->inner) {
                largest = x[i] > largest ? x[i] : largest;
            }
            uint32_t sum = 0;
            for (int32_t i = inner; i < end; i += p->inner) {
                sum += table[largest - x[i]];
            }
            /* Both fit an int32, whose conversion every target has. */
            const float ratio = p->inverse_scale / (float)(int32_t)sum;
            for (int32_t i = inner; i < end; i += p->inner) {
                const float share = (float)(int32_t)table[largest - x[i]] * ratio;
                y[i] = fleet_to_int8(share, p->out_zero_point, -128, 127);
            }
        }
        x += end;
        y += end;
    }
}

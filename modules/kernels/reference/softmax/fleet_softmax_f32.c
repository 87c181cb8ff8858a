#include "common/softmax.h"
#include "fleet_kernels.h"

void fleet_softmax_f32(const struct fleet_softmax_f32_params *p, const float *x, float *y)
{
    for (int32_t outer = 0; outer < p->outer; ++outer) {
        for (int32_t inner = 0; inner < p->inner; ++inner) {
            fleet_softmax_line(x + inner, p->length, p->inner, y + inner);
        }
        x += p->length * p->inner;
        y += p->length * p->inner;
    }
}

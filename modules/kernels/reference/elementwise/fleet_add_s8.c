#include "common/broadcast.h"
#include "common/numbers.h"
#include "fleet_kernels.h"

void fleet_add_s8(const struct fleet_add_s8_params *p, const int8_t *a, const int8_t *b, int8_t *y)
{
    const struct fleet_broadcast *shape = &p->broadcast;
    const int32_t inner = shape->rank - 1;
    struct fleet_broadcast_walk at;
    fleet_broadcast_start(&at);
    do {
        for (int32_t i = 0; i < shape->shape[inner]; ++i) {
            const int32_t left = a[at.a + i * shape->a_stride[inner]] - p->a_zero_point;
            const int32_t right = b[at.b + i * shape->b_stride[inner]] - p->b_zero_point;
            const float sum = (float)left * p->a_ratio + (float)right * p->b_ratio;
            *y++ = fleet_to_int8(sum, p->out_zero_point, p->out_min, p->out_max);
        }
    } while (fleet_broadcast_next(shape, &at));
}

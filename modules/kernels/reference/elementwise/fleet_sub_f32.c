#include "common/broadcast.h"
#include "common/numbers.h"
#include "fleet_kernels.h"

void fleet_sub_f32(const struct fleet_binary_f32_params *p, const float *a, const float *b, float *y)
{
    const struct fleet_broadcast *shape = &p->broadcast;
    const int32_t inner = shape->rank - 1;
    struct fleet_broadcast_walk at;
    fleet_broadcast_start(&at);
    do {
        for (int32_t i = 0; i < shape->shape[inner]; ++i) {
            const float left = a[at.a + i * shape->a_stride[inner]];
            const float right = b[at.b + i * shape->b_stride[inner]];
            *y++ = fleet_clip(left - right, p->out_min, p->out_max);
        }
    } while (fleet_broadcast_next(shape, &at));
}

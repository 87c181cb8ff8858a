/* Walks the outer dimensions of a broadcast operator; the last dimension is the caller's inner loop. */
#ifndef FLEET_COMMON_BROADCAST_H
#define FLEET_COMMON_BROADCAST_H

#include <stdbool.h>

#include "fleet/elementwise.h"

/* a, b: offsets of the operands of the current inner loop, in elements. */
struct fleet_broadcast_walk {
    int32_t index[FLEET_MAX_RANK];
    int32_t a, b;
};

static inline void fleet_broadcast_start(struct fleet_broadcast_walk *walk)
{
    for (int32_t d = 0; d < FLEET_MAX_RANK; ++d) {
        walk->index[d] = 0;
    }
    walk->a = 0;
    walk->b = 0;
}

/* Steps to the next inner loop; false after the last one. */
static inline bool fleet_broadcast_next(const struct fleet_broadcast *shape, struct fleet_broadcast_walk *walk)
{
    for (int32_t d = shape->rank - 2; d >= 0; --d) {
        walk->a += shape->a_stride[d];
        walk->b += shape->b_stride[d];
        if (++walk->index[d] < shape->shape[d]) {
            return true;
        }
        walk->a -= shape->a_stride[d] * shape->shape[d];
        walk->b -= shape->b_stride[d] * shape->shape[d];
        walk->index[d] = 0;
    }
    return false;
}

#endif

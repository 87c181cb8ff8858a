/* ScatterElements: y = x, then the walk over the indices puts each update where its index says.
 *   FLEET_X             type of the elements
 *   FLEET_INDEX         type of the indices
 *   FLEET_MERGE(a, v)   what an update v makes of the element a */
#include "general/walk.h"

#ifndef FLEET_GENERAL_SCATTER_ELEMENTS_H
#define FLEET_GENERAL_SCATTER_ELEMENTS_H
/* Operand 0 is y (0 along the axis), 1 the indices and updates. */
struct fleet_scatter_elements {
    struct fleet_walk walk;
    int32_t length, step; /* of y along the axis */
    int32_t count;        /* elements of y */
};
#endif

static void FLEET_KERNEL(const struct fleet_scatter_elements *p, const FLEET_X *x, const FLEET_INDEX *index,
                         const FLEET_X *updates, FLEET_X *y)
{
    const struct fleet_walk *w = &p->walk;
    const int32_t inner = w->rank - 1;
    struct fleet_walk_state s;
    for (int32_t i = 0; i < p->count; ++i) {
        y[i] = x[i];
    }
    if (!fleet_walk_start(w, &s)) {
        return;
    }
    do {
        for (int32_t i = 0; i < w->shape[inner]; ++i) {
            const int32_t at = s.at[1] + i * w->stride[1][inner];
            const int64_t row = index[at] < 0 ? (int64_t)index[at] + p->length : (int64_t)index[at];
            if (row < 0 || row >= p->length) {
                __builtin_trap();
            }
            FLEET_X *target = y + s.at[0] + i * w->stride[0][inner] + (int32_t)row * p->step;
            const FLEET_X update = updates[at];
            *target = FLEET_MERGE(*target, update);
        }
    } while (fleet_walk_next(w, &s));
}

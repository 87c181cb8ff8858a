/* GatherElements: the walk goes over the indices; along the axis the index says where in x, elsewhere the position does.
 *   FLEET_X       type of the elements; only its size matters
 *   FLEET_INDEX   type of the indices */
#include "general/walk.h"

#ifndef FLEET_GENERAL_GATHER_ELEMENTS_H
#define FLEET_GENERAL_GATHER_ELEMENTS_H
/* Operand 0 is x (0 along the axis), 1 the indices and the output. */
struct fleet_gather_elements {
    struct fleet_walk walk;
    int32_t length, step; /* of x along the axis */
};
#endif

static void FLEET_KERNEL(const struct fleet_gather_elements *p, const FLEET_X *x, const FLEET_INDEX *index, FLEET_X *y)
{
    const struct fleet_walk *w = &p->walk;
    const int32_t inner = w->rank - 1;
    struct fleet_walk_state s;
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
            y[at] = x[s.at[0] + i * w->stride[0][inner] + (int32_t)row * p->step];
        }
    } while (fleet_walk_next(w, &s));
}

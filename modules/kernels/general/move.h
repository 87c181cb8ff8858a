/* y = x, both walked: slices, repetitions, reversals with sizes that are known.
 *   FLEET_X   type of the elements; only its size matters */
#include "general/walk.h"

#ifndef FLEET_GENERAL_MOVE_H
#define FLEET_GENERAL_MOVE_H
/* from, to: the first element in x and y. Operand 0 is x, operand 1 is y. */
struct fleet_move {
    struct fleet_walk walk;
    int32_t from, to;
};
#endif

static void FLEET_KERNEL(const struct fleet_move *p, const FLEET_X *x, FLEET_X *y)
{
    const struct fleet_walk *w = &p->walk;
    const int32_t inner = w->rank - 1;
    struct fleet_walk_state s;
    if (!fleet_walk_start(w, &s)) {
        return;
    }
    do {
        const FLEET_X *source = x + p->from + s.at[0];
        FLEET_X *target = y + p->to + s.at[1];
        for (int32_t i = 0; i < w->shape[inner]; ++i) {
            target[i * w->stride[1][inner]] = source[i * w->stride[0][inner]];
        }
    } while (fleet_walk_next(w, &s));
}

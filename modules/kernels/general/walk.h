/* Nested loops over operands that lie in memory in different ways. */
#ifndef FLEET_GENERAL_WALK_H
#define FLEET_GENERAL_WALK_H

#include <stdbool.h>
#include <stdint.h>

#define FLEET_WALK_RANK 8
#define FLEET_WALK_OPERANDS 4

/* shape[0 … rank − 1], outermost loop first, rank >= 1; for each operand its step along each loop, in elements, 0 where it
 * repeats, negative where it runs backwards. An empty shape has an element 0. */
struct fleet_walk {
    int32_t rank;
    int32_t shape[FLEET_WALK_RANK];
    int32_t stride[FLEET_WALK_OPERANDS][FLEET_WALK_RANK];
};

/* at[k]: where operand k stands, in elements, at the begin of the innermost loop. */
struct fleet_walk_state {
    int32_t index[FLEET_WALK_RANK];
    int32_t at[FLEET_WALK_OPERANDS];
};

static inline bool fleet_walk_start(const struct fleet_walk *w, struct fleet_walk_state *s)
{
    bool any = true;
    for (int32_t d = 0; d < w->rank; ++d) {
        s->index[d] = 0;
        any = any && w->shape[d] > 0;
    }
    for (int32_t k = 0; k < FLEET_WALK_OPERANDS; ++k) {
        s->at[k] = 0;
    }
    return any;
}

/* To the next innermost loop; false behind the last one. */
static inline bool fleet_walk_next(const struct fleet_walk *w, struct fleet_walk_state *s)
{
    for (int32_t d = w->rank - 2; d >= 0; --d) {
        const bool more = ++s->index[d] < w->shape[d];
        for (int32_t k = 0; k < FLEET_WALK_OPERANDS; ++k) {
            s->at[k] += more ? w->stride[k][d] : -w->stride[k][d] * (w->shape[d] - 1);
        }
        if (more) {
            return true;
        }
        s->index[d] = 0;
    }
    return false;
}

#endif

/* Walks over a tensor of which some dimensions are kept and the others folded away. */
#ifndef FLEET_GENERAL_AXES_H
#define FLEET_GENERAL_AXES_H

#include <stdint.h>

#include "general/walk.h"

/* Dimensions of x, rank >= 0; `reduced` is 1 where one is folded away. Of run-time axes there are `axes`, or none, which
 * folds everything, or nothing where `keep` is 1. */
struct fleet_reduce {
    int32_t rank;
    int32_t shape[FLEET_WALK_RANK];
    int32_t reduced[FLEET_WALK_RANK];
    int32_t results;
    int32_t axes;
    int32_t keep;
};

struct fleet_reduction {
    int32_t reduced[FLEET_WALK_RANK];
    int32_t step[FLEET_WALK_RANK];
    int32_t index[FLEET_WALK_RANK];
    int32_t at;    /* of the next element */
    int32_t count; /* elements behind one result */
};

/* Traps where run-time axes do not exist, or would make other than p->results results. */
static inline void fleet_reduction_start(struct fleet_reduction *r, const struct fleet_reduce *p, const int64_t *axes)
{
    for (int32_t d = 0; d < p->rank; ++d) {
        r->reduced[d] = axes ? p->axes == 0 && !p->keep : p->reduced[d];
        r->index[d] = 0;
    }
    for (int32_t i = 0; axes && i < p->axes; ++i) {
        const int64_t axis = axes[i] < 0 ? axes[i] + p->rank : axes[i];
        if (axis < 0 || axis >= p->rank) {
            __builtin_trap();
        }
        r->reduced[axis] = 1;
    }
    int32_t all = 1;
    int32_t results = 1;
    r->count = 1;
    for (int32_t d = p->rank - 1; d >= 0; --d) {
        r->step[d] = all;
        all *= p->shape[d];
        if (r->reduced[d]) {
            r->count *= p->shape[d];
        } else {
            results *= p->shape[d];
        }
    }
    if (results != p->results) {
        __builtin_trap();
    }
    r->at = 0;
}

/* Moves along the dimensions whose flag is `reduced`; back at their begin it is at the first element again. */
static inline void fleet_reduction_move(struct fleet_reduction *r, const struct fleet_reduce *p, int32_t reduced)
{
    for (int32_t d = p->rank - 1; d >= 0; --d) {
        if (r->reduced[d] != reduced) {
            continue;
        }
        r->at += r->step[d];
        if (++r->index[d] < p->shape[d]) {
            return;
        }
        r->at -= r->step[d] * p->shape[d];
        r->index[d] = 0;
    }
}

/* Where the next element of this result lies. After the last one it starts again. */
static inline int32_t fleet_reduction_next(struct fleet_reduction *r, const struct fleet_reduce *p)
{
    const int32_t at = r->at;
    fleet_reduction_move(r, p, 1);
    return at;
}

/* To the next result. */
static inline void fleet_reduction_advance(struct fleet_reduction *r, const struct fleet_reduce *p)
{
    fleet_reduction_move(r, p, 0);
}

#endif

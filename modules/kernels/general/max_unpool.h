/* MaxUnpool: each element goes where its maximum stood; the indices count the elements of the tensor that was pooled.
 *   FLEET_X   type of the elements */
#include "general/window.h"

#ifndef FLEET_GENERAL_MAX_UNPOOL_H
#define FLEET_GENERAL_MAX_UNPOOL_H
struct fleet_max_unpool {
    int32_t rank;
    int32_t pooled[8], shape[8];
    int32_t count, size, places; /* elements of x, of y, and of what was pooled */
};
#endif

static void FLEET_KERNEL(const struct fleet_max_unpool *p, const FLEET_X *x, const int64_t *indices, FLEET_X *y)
{
    int32_t place[8];
    for (int32_t i = 0; i < p->size; ++i) {
        y[i] = 0;
    }
    for (int32_t i = 0; i < p->count; ++i) {
        if (indices[i] < 0 || indices[i] >= p->places) {
            __builtin_trap();
        }
        fleet_unravel((int32_t)indices[i], p->rank, p->pooled, place);
        int32_t at = 0;
        for (int32_t d = 0; d < p->rank; ++d) {
            at = at * p->shape[d] + place[d];
        }
        if (at >= p->size) {
            __builtin_trap();
        }
        y[at] = x[i];
    }
}

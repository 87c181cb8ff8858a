/* What GatherND and ScatterND share: a tuple of indices names a slice.
 * x is [batches, size[0], …, size[depth − 1], slice]; the indices are [batches, tuples, depth]. */
#ifndef FLEET_GENERAL_ND_H
#define FLEET_GENERAL_ND_H

#include <stdint.h>

struct fleet_nd {
    int32_t batches, tuples, depth, slice;
    int32_t size[8];
    int32_t count; /* elements of x */
};

/* Elements from the begin of the batch; traps where an index is out of range. */
static inline int32_t fleet_nd_offset(const struct fleet_nd *p, const int64_t *tuple)
{
    int32_t at = 0;
    for (int32_t d = 0; d < p->depth; ++d) {
        const int64_t i = tuple[d] < 0 ? tuple[d] + p->size[d] : tuple[d];
        if (i < 0 || i >= p->size[d]) {
            __builtin_trap();
        }
        at = at * p->size[d] + (int32_t)i;
    }
    return at * p->slice;
}

#endif

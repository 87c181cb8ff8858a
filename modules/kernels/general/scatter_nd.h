/* ScatterND: y = x, then each update goes where its tuple of indices says.
 *   FLEET_X             type of the elements
 *   FLEET_MERGE(a, v)   what an update v makes of the element a */
#include "general/nd.h"

static void FLEET_KERNEL(const struct fleet_nd *p, const FLEET_X *x, const int64_t *index, const FLEET_X *updates,
                         FLEET_X *y)
{
    for (int32_t i = 0; i < p->count; ++i) {
        y[i] = x[i];
    }
    for (int32_t t = 0; t < p->tuples; ++t) {
        FLEET_X *target = y + fleet_nd_offset(p, index);
        index += p->depth;
        for (int32_t i = 0; i < p->slice; ++i) {
            const FLEET_X update = *updates++;
            target[i] = FLEET_MERGE(target[i], update);
        }
    }
}

/* GatherND.
 *   FLEET_X   type of the elements; only its size matters */
#include "general/nd.h"

static void FLEET_KERNEL(const struct fleet_nd *p, const FLEET_X *x, const int64_t *index, FLEET_X *y)
{
    const int32_t batch = p->batches ? p->count / p->batches : 0;
    for (int32_t b = 0; b < p->batches; ++b) {
        for (int32_t t = 0; t < p->tuples; ++t) {
            const FLEET_X *source = x + b * batch + fleet_nd_offset(p, index);
            index += p->depth;
            for (int32_t i = 0; i < p->slice; ++i) {
                *y++ = source[i];
            }
        }
    }
}

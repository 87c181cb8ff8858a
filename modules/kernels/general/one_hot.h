/* OneHot of [outer, inner] indices to [outer, depth, inner]: values[1] where the index is, values[0] elsewhere.
 *   FLEET_X       type of the values; only its size matters
 *   FLEET_INDEX   type of the indices
 *   FLEET_HOT(i)  an index as int64 */
#include "general/scalar.h"

#ifndef FLEET_GENERAL_ONE_HOT_H
#define FLEET_GENERAL_ONE_HOT_H
struct fleet_one_hot {
    int32_t outer, depth, inner;
};
#endif

static void FLEET_KERNEL(const struct fleet_one_hot *p, const FLEET_INDEX *index, const FLEET_X *values, FLEET_X *y)
{
    for (int32_t o = 0; o < p->outer; ++o) {
        for (int32_t d = 0; d < p->depth; ++d) {
            for (int32_t i = 0; i < p->inner; ++i) {
                const int64_t hot = FLEET_HOT(index[o * p->inner + i]);
                *y++ = values[hot == d || hot + p->depth == d];
            }
        }
    }
}

/* ArgMax and ArgMin along one dimension of [outer, length, inner]: y = the index of the best element.
 *   FLEET_X               type of x
 *   FLEET_BETTER(v, best) whether v takes the place of the best so far */
#include <stdint.h>

#ifndef FLEET_GENERAL_ARG_H
#define FLEET_GENERAL_ARG_H
struct fleet_arg {
    int32_t outer, length, inner;
};
#endif

static void FLEET_KERNEL(const struct fleet_arg *p, const FLEET_X *x, int64_t *y)
{
    for (int32_t o = 0; o < p->outer; ++o) {
        for (int32_t i = 0; i < p->inner; ++i) {
            const FLEET_X *v = x + o * p->length * p->inner + i;
            int32_t best = 0;
            for (int32_t j = 1; j < p->length; ++j) {
                best = FLEET_BETTER(v[j * p->inner], v[best * p->inner]) ? j : best;
            }
            *y++ = best;
        }
    }
}

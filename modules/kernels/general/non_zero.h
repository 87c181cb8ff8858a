/* NonZero: the coordinates of all elements that are not zero, [rank, found], dense.
 *   FLEET_X   type of the elements */
#include <stdint.h>

#ifndef FLEET_GENERAL_NON_ZERO_H
#define FLEET_GENERAL_NON_ZERO_H
struct fleet_non_zero {
    int32_t rank, count;
    int32_t shape[8];
};
#endif

static void FLEET_KERNEL(const struct fleet_non_zero *p, const FLEET_X *x, int64_t *y, int32_t *dims)
{
    int32_t found = 0;
    for (int32_t i = 0; i < p->count; ++i) {
        found += x[i] != 0;
    }
    int32_t place = 0;
    for (int32_t i = 0; i < p->count; ++i) {
        if (x[i] == 0) {
            continue;
        }
        int32_t rest = i;
        for (int32_t d = p->rank - 1; d >= 0; --d) {
            y[d * found + place] = rest % p->shape[d];
            rest /= p->shape[d];
        }
        ++place;
    }
    dims[0] = p->rank;
    dims[1] = found;
}

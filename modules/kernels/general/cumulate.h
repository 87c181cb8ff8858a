/* CumSum and CumProd along one dimension of [outer, length, inner].
 *   FLEET_X            type of x and y
 *   FLEET_FIRST        what an empty sum or product is
 *   FLEET_STEP(a, v)   the next value
 *   FLEET_AXIS         type of the dimension's number, which is read when the model runs and must be the one planned for */
#include <stdint.h>

#ifndef FLEET_GENERAL_CUMULATE_H
#define FLEET_GENERAL_CUMULATE_H
/* Dimensions of x. exclusive: y[0] = FIRST; reverse: from the end. */
struct fleet_cumulate {
    int32_t rank;
    int32_t shape[8];
    int32_t exclusive, reverse;
};
#endif

static void FLEET_KERNEL(const struct fleet_cumulate *p, const FLEET_X *x, const FLEET_AXIS *axis_of, FLEET_X *y)
{
    const FLEET_AXIS axis = *axis_of < 0 ? *axis_of + p->rank : *axis_of;
    if (axis < 0 || axis >= p->rank) {
        __builtin_trap();
    }
    int32_t outer = 1;
    int32_t inner = 1;
    for (int32_t d = 0; d < p->rank; ++d) {
        outer *= d < axis ? p->shape[d] : 1;
        inner *= d > axis ? p->shape[d] : 1;
    }
    const int32_t length = p->shape[axis];
    for (int32_t o = 0; o < outer; ++o) {
        for (int32_t i = 0; i < inner; ++i) {
            FLEET_X acc = FLEET_FIRST;
            for (int32_t n = 0; n < length; ++n) {
                const int32_t at = (o * length + (p->reverse ? length - 1 - n : n)) * inner + i;
                const FLEET_X next = FLEET_STEP(acc, x[at]);
                y[at] = p->exclusive ? acc : next;
                acc = next;
            }
        }
    }
}

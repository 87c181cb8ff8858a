/* Pools of any rank.
 *   FLEET_X               type of x and y
 *   FLEET_ACC             type of the running value
 *   FLEET_FIRST           its first value
 *   FLEET_STEP(acc, v)    the next value; `p` may be read
 *   FLEET_LAST(acc, n)    the result, from the last value and the number of elements that count
 *   FLEET_COUNTS          1: elements in the pads count */
#include "general/scalar.h"
#include "general/window.h"

#ifndef FLEET_GENERAL_POOL_H
#define FLEET_GENERAL_POOL_H
struct fleet_pool {
    struct fleet_windows window;
    int32_t order; /* of LpPool */
};
#endif

static void FLEET_KERNEL(const struct fleet_pool *p, const FLEET_X *x, FLEET_X *y)
{
    const struct fleet_windows *w = &p->window;
    int32_t place[FLEET_WINDOW_RANK];
    bool padded;
    for (int32_t m = 0; m < w->batch * w->channels; ++m) {
        for (int32_t o = 0; o < w->out_size; ++o) {
            FLEET_ACC acc = FLEET_FIRST;
            int32_t count = 0;
            fleet_unravel(o, w->rank, w->out, place);
            for (int32_t t = 0; t < w->kernel_size; ++t) {
                const int32_t at = fleet_window_tap(w, place, t, &padded);
                if (at >= 0) {
                    const FLEET_X v = x[m * w->in_size + at];
                    acc = FLEET_STEP(acc, v);
                }
                count += at >= 0 || (FLEET_COUNTS && padded);
            }
            *y++ = (FLEET_X)(FLEET_LAST(acc, count));
        }
    }
}

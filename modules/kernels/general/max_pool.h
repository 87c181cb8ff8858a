/* MaxPool of any rank and type, and where each maximum stood.
 *   FLEET_X        type of the elements
 *   FLEET_FIRST    the least value
 *   FLEET_INDICES  1: the second output is made */
#include "general/window.h"

#ifndef FLEET_GENERAL_MAX_POOL_H
#define FLEET_GENERAL_MAX_POOL_H
/* `step`: what each dimension of the input counts for in the indices. */
struct fleet_max_pool {
    struct fleet_windows window;
    int32_t step[FLEET_WINDOW_RANK];
};
#endif

static void FLEET_KERNEL(const struct fleet_max_pool *p, const FLEET_X *x, FLEET_X *y
#if FLEET_INDICES
                         , int64_t *indices
#endif
)
{
    const struct fleet_windows *w = &p->window;
    int32_t place[FLEET_WINDOW_RANK];
    bool padded;
    for (int32_t m = 0; m < w->batch * w->channels; ++m) {
        for (int32_t o = 0; o < w->out_size; ++o) {
            FLEET_X best = FLEET_FIRST;
            int32_t where = -1;
            fleet_unravel(o, w->rank, w->out, place);
            for (int32_t t = 0; t < w->kernel_size; ++t) {
                const int32_t at = fleet_window_tap(w, place, t, &padded);
                if (at >= 0 && (where < 0 || best < x[m * w->in_size + at])) {
                    best = x[m * w->in_size + at];
                    where = at;
                }
            }
            *y++ = best;
#if FLEET_INDICES
            int64_t index = (int64_t)m * w->in_size;
            fleet_unravel(where < 0 ? 0 : where, w->rank, w->in, place);
            for (int32_t d = 0; d < w->rank; ++d) {
                index += (int64_t)place[d] * p->step[d];
            }
            *indices++ = index;
#endif
        }
    }
}

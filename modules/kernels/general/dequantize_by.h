/* y = (x - zero point) * scale; scale and zero point are operands of the walk.
 *   FLEET_X, FLEET_ZP   types of x and zero point */
#include "general/walk.h"

static void FLEET_KERNEL(const struct fleet_walk *w, const FLEET_X *x, const float *scale, const FLEET_ZP *zero, float *y)
{
    const int32_t inner = w->rank - 1;
    struct fleet_walk_state s;
    if (!fleet_walk_start(w, &s)) {
        return;
    }
    do {
        for (int32_t i = 0; i < w->shape[inner]; ++i) {
            const int64_t v = (int64_t)x[s.at[0] + i * w->stride[0][inner]] - (int64_t)zero[s.at[2] + i * w->stride[2][inner]];
            y[s.at[3] + i * w->stride[3][inner]] = (float)v * scale[s.at[1] + i * w->stride[1][inner]];
        }
    } while (fleet_walk_next(w, &s));
}

/* y = x / scale + zero point, rounded to nearest even and saturated; scale and zero point are operands of the walk. NaN becomes
 * the zero point.
 *   FLEET_X, FLEET_ZP, FLEET_Y   types of x, zero point and y
 *   FLEET_LOW, FLEET_HIGH        range of y, floats */
#include "general/walk.h"

static void FLEET_KERNEL(const struct fleet_walk *w, const FLEET_X *x, const float *scale, const FLEET_ZP *zero, FLEET_Y *y)
{
    const int32_t inner = w->rank - 1;
    struct fleet_walk_state s;
    if (!fleet_walk_start(w, &s)) {
        return;
    }
    do {
        for (int32_t i = 0; i < w->shape[inner]; ++i) {
            const int32_t z = (int32_t)zero[s.at[2] + i * w->stride[2][inner]];
            float v = (float)x[s.at[0] + i * w->stride[0][inner]] / scale[s.at[1] + i * w->stride[1][inner]];
            v = v != v ? 0.0f : v;
            v = v < FLEET_LOW - (float)z ? FLEET_LOW - (float)z : v;
            v = FLEET_HIGH - (float)z < v ? FLEET_HIGH - (float)z : v;
            y[s.at[3] + i * w->stride[3][inner]] = (FLEET_Y)((int32_t)__builtin_rintf(v) + z);
        }
    } while (fleet_walk_next(w, &s));
}

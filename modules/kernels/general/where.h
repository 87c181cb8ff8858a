/* y = condition ? a : b, element by element, with broadcasting.
 *   FLEET_X   type of a, b and y; only its size matters */
#include "general/walk.h"

static void FLEET_KERNEL(const struct fleet_walk *w, const uint8_t *condition, const FLEET_X *a, const FLEET_X *b,
                         FLEET_X *y)
{
    const int32_t inner = w->rank - 1;
    struct fleet_walk_state s;
    if (!fleet_walk_start(w, &s)) {
        return;
    }
    do {
        for (int32_t i = 0; i < w->shape[inner]; ++i) {
            const FLEET_X *chosen = condition[s.at[0] + i * w->stride[0][inner]] ? a + s.at[1] + i * w->stride[1][inner]
                                                                                : b + s.at[2] + i * w->stride[2][inner];
            y[s.at[3] + i * w->stride[3][inner]] = *chosen;
        }
    } while (fleet_walk_next(w, &s));
}

/* y = FLEET_OP(a, b), element by element, with broadcasting; in place where an operand is walked as the output.
 *   FLEET_X, FLEET_Y    types of the elements of both operands, and of the result
 *   FLEET_OP(a, b)      an expression of two FLEET_X, of type FLEET_Y */
#include "general/scalar.h"
#include "general/walk.h"

static void FLEET_KERNEL(const struct fleet_walk *w, const FLEET_X *a, const FLEET_X *b, FLEET_Y *y)
{
    const int32_t inner = w->rank - 1;
    struct fleet_walk_state s;
    if (!fleet_walk_start(w, &s)) {
        return;
    }
    do {
        for (int32_t i = 0; i < w->shape[inner]; ++i) {
            const FLEET_X left = a[s.at[0] + i * w->stride[0][inner]];
            const FLEET_X right = b[s.at[1] + i * w->stride[1][inner]];
            y[s.at[2] + i * w->stride[2][inner]] = FLEET_OP(left, right);
        }
    } while (fleet_walk_next(w, &s));
}

/* Pad in all modes; the pads are read when the model runs and must make the output that was planned, else it traps.
 *   FLEET_X       type of the elements; only its size matters
 *   FLEET_MODE    0 constant, 1 edge, 2 reflect, 3 wrap
 *   FLEET_INDEX   type of the axes */
#include "general/walk.h"

#ifndef FLEET_GENERAL_PAD_H
#define FLEET_GENERAL_PAD_H
/* `count` axes; as many begins, then as many ends. */
struct fleet_pad {
    int32_t rank;
    int32_t in_shape[FLEET_WALK_RANK];
    int32_t out_shape[FLEET_WALK_RANK];
    int32_t count;
};

static inline int32_t fleet_floor_mod(int32_t a, int32_t n)
{
    const int32_t r = a % n;
    return r < 0 ? r + n : r;
}

/* Where position i of a dimension comes from; -1: from nowhere. */
static inline int32_t fleet_pad_source(int32_t i, int32_t length, int32_t mode)
{
    if (i >= 0 && i < length) {
        return i;
    }
    if (mode == 0 || length == 0) {
        return -1;
    }
    if (mode == 1) {
        return i < 0 ? 0 : length - 1;
    }
    if (mode == 3) {
        return fleet_floor_mod(i, length);
    }
    if (length == 1) {
        return 0;
    }
    const int32_t turn = fleet_floor_mod(i, 2 * length - 2);
    return turn < length ? turn : 2 * length - 2 - turn;
}
#endif

static void FLEET_KERNEL(const struct fleet_pad *p, const FLEET_X *x, const int64_t *pads, const FLEET_X *value,
                         const FLEET_INDEX *axes, FLEET_X *y)
{
    int32_t before[FLEET_WALK_RANK];
    int32_t index[FLEET_WALK_RANK];
    int32_t total = 1;
    for (int32_t d = 0; d < p->rank; ++d) {
        before[d] = 0;
        index[d] = 0;
        int64_t size = p->in_shape[d];
        for (int32_t i = 0; i < p->count; ++i) {
            const int64_t axis = (int64_t)axes[i];
            if (axis == d || axis + p->rank == d) {
                before[d] = (int32_t)pads[i];
                size += pads[i] + pads[i + p->count];
            }
        }
        if (size != p->out_shape[d]) {
            __builtin_trap();
        }
        total *= p->out_shape[d];
    }
    for (int32_t n = 0; n < total; ++n) {
        int32_t at = 0;
        int32_t inside = 1;
        for (int32_t d = 0; d < p->rank; ++d) {
            const int32_t source = fleet_pad_source(index[d] - before[d], p->in_shape[d], FLEET_MODE);
            inside &= source >= 0;
            at = at * p->in_shape[d] + source;
        }
        y[n] = inside ? x[at] : *value;
        for (int32_t d = p->rank - 1; d >= 0 && ++index[d] == p->out_shape[d]; --d) {
            index[d] = 0;
        }
    }
}

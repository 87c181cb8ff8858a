/* Slice whose bounds are read when the model runs; they must make the output that was planned, else it traps.
 *   FLEET_X       type of the elements; only its size matters
 *   FLEET_INDEX   type of the bounds */
#include "general/walk.h"

#ifndef FLEET_GENERAL_SLICE_H
#define FLEET_GENERAL_SLICE_H
/* `count` starts, ends, axes and steps. */
struct fleet_slice {
    int32_t rank;
    int32_t in_shape[FLEET_WALK_RANK];
    int32_t out_shape[FLEET_WALK_RANK];
    int32_t count;
};

static inline int64_t fleet_slice_bound(int64_t v, int64_t length, int64_t least, int64_t most)
{
    v = v < 0 ? v + length : v;
    return v < least ? least : v > most ? most : v;
}
#endif

static void FLEET_KERNEL(const struct fleet_slice *p, const FLEET_X *x, const FLEET_INDEX *starts,
                         const FLEET_INDEX *ends, const FLEET_INDEX *axes, const FLEET_INDEX *steps, FLEET_X *y)
{
    struct fleet_walk w;
    w.rank = p->rank;
    for (int32_t k = 2; k < FLEET_WALK_OPERANDS; ++k) {
        for (int32_t d = 0; d < p->rank; ++d) {
            w.stride[k][d] = 0;
        }
    }
    int32_t from = 0;
    int32_t dense = 1;
    int32_t in_dense = 1;
    for (int32_t d = p->rank - 1; d >= 0; --d) {
        int64_t start = 0;
        int64_t end = p->in_shape[d];
        int64_t step = 1;
        for (int32_t i = 0; i < p->count; ++i) {
            const int64_t axis = (int64_t)axes[i];
            if (axis != d && axis + p->rank != d) {
                continue;
            }
            step = (int64_t)steps[i];
            const int64_t length = p->in_shape[d];
            const int64_t least = step < 0 ? -1 : 0;
            const int64_t most = step < 0 ? length - 1 : length;
            start = fleet_slice_bound((int64_t)starts[i], length, least + (step < 0), most);
            end = (int64_t)ends[i] < -length ? least : fleet_slice_bound((int64_t)ends[i], length, least, most);
        }
        int64_t size = -1;
        if (p->in_shape[d] == 0) {
            size = step == 0 ? -1 : 0;
        } else if (step > 0) {
            size = end > start ? (end - start - 1) / step + 1 : 0;
        } else if (step < 0) {
            size = start > end ? (end - start + 1) / step + 1 : 0;
        }
        if (size != p->out_shape[d]) {
            __builtin_trap();
        }
        w.shape[d] = (int32_t)size;
        /* A step is small if it is taken at all. */
        w.stride[0][d] = size > 1 ? (int32_t)step * in_dense : 0;
        w.stride[1][d] = dense;
        from += (int32_t)start * in_dense;
        in_dense *= p->in_shape[d];
        dense *= (int32_t)size;
    }
    const int32_t inner = w.rank - 1;
    struct fleet_walk_state s;
    if (!fleet_walk_start(&w, &s)) {
        return;
    }
    do {
        for (int32_t i = 0; i < w.shape[inner]; ++i) {
            y[s.at[1] + i] = x[from + s.at[0] + i * w.stride[0][inner]];
        }
    } while (fleet_walk_next(&w, &s));
}

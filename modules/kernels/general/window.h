/* Windows that slide over any number of dimensions: x is [batch, channels, in…], y is [batch, out_channels, out…]. */
#ifndef FLEET_GENERAL_WINDOW_H
#define FLEET_GENERAL_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#define FLEET_WINDOW_RANK 5

struct fleet_windows {
    int32_t rank;
    int32_t batch, channels, out_channels, group;
    int32_t in[FLEET_WINDOW_RANK], out[FLEET_WINDOW_RANK], kernel[FLEET_WINDOW_RANK];
    int32_t stride[FLEET_WINDOW_RANK], dilation[FLEET_WINDOW_RANK], begin[FLEET_WINDOW_RANK], end[FLEET_WINDOW_RANK];
    int32_t in_size, out_size, kernel_size; /* products */
};

static inline void fleet_unravel(int32_t index, int32_t rank, const int32_t *shape, int32_t *place)
{
    for (int32_t d = rank - 1; d >= 0; --d) {
        place[d] = index % shape[d];
        index /= shape[d];
    }
}

/* Where tap `tap` of the window at `place` reads, or -1 outside of the input; *padded: whether it is inside of the pads. */
static inline int32_t fleet_window_tap(const struct fleet_windows *w, const int32_t *place, int32_t tap, bool *padded)
{
    int32_t offset[FLEET_WINDOW_RANK];
    fleet_unravel(tap, w->rank, w->kernel, offset);
    int32_t at = 0;
    bool inside = true;
    *padded = true;
    for (int32_t d = 0; d < w->rank; ++d) {
        const int32_t i = place[d] * w->stride[d] - w->begin[d] + offset[d] * w->dilation[d];
        inside = inside && i >= 0 && i < w->in[d];
        *padded = *padded && i < w->in[d] + w->end[d];
        at = at * w->in[d] + i;
    }
    return inside ? at : -1;
}

/* Where in the input an element of a transposed window comes from, or -1: the tap that leads from there to `place`. */
static inline int32_t fleet_window_source(const struct fleet_windows *w, const int32_t *place, int32_t tap)
{
    int32_t offset[FLEET_WINDOW_RANK];
    fleet_unravel(tap, w->rank, w->kernel, offset);
    int32_t at = 0;
    for (int32_t d = 0; d < w->rank; ++d) {
        const int32_t i = place[d] + w->begin[d] - offset[d] * w->dilation[d];
        if (i < 0 || i % w->stride[d] != 0 || i / w->stride[d] >= w->in[d]) {
            return -1;
        }
        at = at * w->in[d] + i / w->stride[d];
    }
    return at;
}

#endif

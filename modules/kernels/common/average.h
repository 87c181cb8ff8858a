/* How many elements an average divides by. */
#ifndef FLEET_COMMON_AVERAGE_H
#define FLEET_COMMON_AVERAGE_H

#include "common/window.h"
#include "fleet/window.h"

/* rows and columns: the window's positions inside the input, whose first position is at (top, left). */
static inline int32_t fleet_average_count(const struct fleet_window *w, int32_t count_include_pad, int32_t top, int32_t left,
                                          struct fleet_range rows, struct fleet_range columns)
{
    if (count_include_pad) {
        rows = fleet_range_inside(top + w->pad_top, w->kernel_h, w->dilation_h, w->pad_top + w->in_h + w->pad_bottom);
        columns = fleet_range_inside(left + w->pad_left, w->kernel_w, w->dilation_w, w->pad_left + w->in_w + w->pad_right);
    }
    return fleet_range_count(rows) * fleet_range_count(columns);
}

#endif

/* Which positions of a window lie inside the input. */
#ifndef FLEET_COMMON_WINDOW_H
#define FLEET_COMMON_WINDOW_H

#include <stdint.h>

/* Kernel indices first … last − 1; empty if last <= first. */
struct fleet_range {
    int32_t first, last;
};

/* The k in 0 … kernel − 1 with 0 <= origin + k·dilation < extent. */
static inline struct fleet_range fleet_range_inside(int32_t origin, int32_t kernel, int32_t dilation, int32_t extent)
{
    struct fleet_range range = {0, 0};
    if (origin < 0) {
        range.first = (-origin + dilation - 1) / dilation;
    }
    if (origin < extent) {
        const int32_t last = (extent - origin + dilation - 1) / dilation;
        range.last = last < kernel ? last : kernel;
    }
    return range;
}

static inline int32_t fleet_range_count(struct fleet_range range)
{
    return range.last > range.first ? range.last - range.first : 0;
}

#endif

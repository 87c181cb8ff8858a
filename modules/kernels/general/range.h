/* Range: y[i] = start + i · delta, as many as were planned.
 *   FLEET_X   type of the elements */
#include <stdint.h>

#ifndef FLEET_GENERAL_RANGE_H
#define FLEET_GENERAL_RANGE_H
struct fleet_range {
    int32_t count;
};
#endif

static void FLEET_KERNEL(const struct fleet_range *p, const FLEET_X *start, const FLEET_X *delta, FLEET_X *y)
{
    for (int32_t i = 0; i < p->count; ++i) {
        y[i] = (FLEET_X)(*start + (FLEET_X)i * *delta);
    }
}

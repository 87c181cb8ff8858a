/* Gather: y[outer, i, inner] = x[outer, index[i], inner]; negative indices count from the end, others trap.
 *   FLEET_X       type of x and y; only its size matters
 *   FLEET_INDEX   type of the indices */
#include <stdint.h>

#ifndef FLEET_GENERAL_GATHER_H
#define FLEET_GENERAL_GATHER_H
struct fleet_gather_rows {
    int32_t outer, length, inner; /* of x */
    int32_t indices;
};
#endif

static void FLEET_KERNEL(const struct fleet_gather_rows *p, const FLEET_X *x, const FLEET_INDEX *index, FLEET_X *y)
{
    for (int32_t o = 0; o < p->outer; ++o) {
        for (int32_t i = 0; i < p->indices; ++i) {
            FLEET_INDEX row = index[i];
            row = row < 0 ? (FLEET_INDEX)(row + (FLEET_INDEX)p->length) : row;
            if (row < 0 || row >= p->length) {
                __builtin_trap();
            }
            const FLEET_X *source = x + ((o * p->length) + (int32_t)row) * p->inner;
            for (int32_t k = 0; k < p->inner; ++k) {
                *y++ = source[k];
            }
        }
    }
}

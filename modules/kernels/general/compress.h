/* Compress along one dimension of [outer, length, inner]: the entries whose condition holds, dense, and how many.
 *   FLEET_X   type of the elements; only its size matters */
#include <stdint.h>

#ifndef FLEET_GENERAL_COMPRESS_H
#define FLEET_GENERAL_COMPRESS_H
/* The output has `rank` dimensions, of which `axis` is the one that shrinks. */
struct fleet_compress {
    int32_t outer, length, inner, conditions;
    int32_t rank, axis;
    int32_t shape[8];
};
#endif

static void FLEET_KERNEL(const struct fleet_compress *p, const FLEET_X *x, const uint8_t *condition, FLEET_X *y,
                         int32_t *dims)
{
    int32_t chosen = 0;
    for (int32_t j = 0; j < p->conditions && j < p->length; ++j) {
        chosen += condition[j] != 0;
    }
    for (int32_t o = 0; o < p->outer; ++o) {
        for (int32_t j = 0; j < p->conditions && j < p->length; ++j) {
            for (int32_t i = 0; condition[j] && i < p->inner; ++i) {
                *y++ = x[(o * p->length + j) * p->inner + i];
            }
        }
    }
    for (int32_t d = 0; d < p->rank; ++d) {
        dims[d] = d == p->axis ? chosen : p->shape[d];
    }
}

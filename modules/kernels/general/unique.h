/* Unique slices of [length, slice] (moved to the front by the caller), in order of value or of appearance.
 *   FLEET_X        type of the elements
 *   FLEET_SORTED   1: by value, NaNs last
 *   FLEET_NAN(v)   whether an element is a NaN */
#include <stdint.h>

#ifndef FLEET_GENERAL_UNIQUE_H
#define FLEET_GENERAL_UNIQUE_H
/* x is [outer, length, inner]; a slice is all elements at one place of the middle. The first output has `rank`
 * dimensions, of which `axis` is the one that shrinks. */
struct fleet_unique {
    int32_t outer, length, inner;
    int32_t rank, axis;
    int32_t shape[8];
};
#endif

static int32_t FLEET_ORDER(const struct fleet_unique *p, const FLEET_X *x, int64_t a, int64_t b)
{
    for (int32_t o = 0; o < p->outer; ++o) {
        for (int32_t i = 0; i < p->inner; ++i) {
            const FLEET_X left = x[(o * p->length + (int32_t)a) * p->inner + i];
            const FLEET_X right = x[(o * p->length + (int32_t)b) * p->inner + i];
            if (left != right) {
                return FLEET_NAN(left) ? 1 : FLEET_NAN(right) || left < right ? -1 : 1;
            }
        }
    }
    return 0;
}

static void FLEET_KERNEL(const struct fleet_unique *p, const FLEET_X *x, FLEET_X *y, int64_t *first, int64_t *inverse,
                         int64_t *counts, int32_t *y_dims, int32_t *dims)
{
    int32_t found = 0;
    for (int32_t j = 0; j < p->length; ++j) {
        int32_t place = 0;
        int32_t order = 1;
        while (place < found && (order = FLEET_ORDER(p, x, j, first[place])) != 0 && !(FLEET_SORTED && order < 0)) {
            ++place;
        }
        if (place < found && order == 0) {
            ++counts[place];
            continue;
        }
        for (int32_t n = found; n > place; --n) {
            first[n] = first[n - 1];
            counts[n] = counts[n - 1];
        }
        first[place] = j;
        counts[place] = 1;
        ++found;
    }
    for (int32_t j = 0; j < p->length; ++j) {
        for (int32_t n = 0; n < found; ++n) {
            /* A slice with a NaN equals no other, and itself only by its place. */
            if (first[n] == j || FLEET_ORDER(p, x, j, first[n]) == 0) {
                inverse[j] = n;
                break;
            }
        }
    }
    for (int32_t o = 0; o < p->outer; ++o) {
        for (int32_t n = 0; n < found; ++n) {
            for (int32_t i = 0; i < p->inner; ++i) {
                *y++ = x[(o * p->length + (int32_t)first[n]) * p->inner + i];
            }
        }
    }
    for (int32_t d = 0; d < p->rank; ++d) {
        y_dims[d] = d == p->axis ? found : p->shape[d];
    }
    dims[0] = found;
}

/* TopK along one dimension of [outer, length, inner]: the k best, the best first, of equals the first.
 *   FLEET_X            type of the elements
 *   FLEET_BEFORE(a, b) whether a is better than b */
#include <stdint.h>

#ifndef FLEET_GENERAL_TOP_K_H
#define FLEET_GENERAL_TOP_K_H
struct fleet_top_k {
    int32_t outer, length, inner, k;
};
#endif

static void FLEET_KERNEL(const struct fleet_top_k *p, const FLEET_X *x, FLEET_X *values, int64_t *indices)
{
    for (int32_t o = 0; o < p->outer; ++o) {
        for (int32_t i = 0; i < p->inner; ++i) {
            const FLEET_X *v = x + o * p->length * p->inner + i;
            FLEET_X *best = values + o * p->k * p->inner + i;
            int64_t *where = indices + o * p->k * p->inner + i;
            int32_t held = 0;
            for (int32_t j = 0; j < p->length; ++j) {
                const FLEET_X candidate = v[j * p->inner];
                int32_t place = held;
                while (place > 0 && FLEET_BEFORE(candidate, best[(place - 1) * p->inner])) {
                    --place;
                }
                if (place == p->k) {
                    continue;
                }
                held += held < p->k;
                for (int32_t n = held - 1; n > place; --n) {
                    best[n * p->inner] = best[(n - 1) * p->inner];
                    where[n * p->inner] = where[(n - 1) * p->inner];
                }
                best[place * p->inner] = candidate;
                where[place * p->inner] = j;
            }
        }
    }
}

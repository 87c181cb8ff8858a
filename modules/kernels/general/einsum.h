/* Einsum of up to three tensors: the outer walk goes over the output's labels, the inner one over those that are summed.
 *   FLEET_X        type of everything
 *   FLEET_ACC      type of products and sums: unsigned for integers, which wrap
 *   FLEET_COUNT    number of operands */
#include "general/walk.h"

#ifndef FLEET_GENERAL_EINSUM_H
#define FLEET_GENERAL_EINSUM_H
/* Operand 3 of the outer walk is the output. */
struct fleet_einsum {
    struct fleet_walk outer, inner;
};
#endif

static void FLEET_KERNEL(const struct fleet_einsum *p, const FLEET_X *a,
#if FLEET_COUNT > 1
                         const FLEET_X *b,
#endif
#if FLEET_COUNT > 2
                         const FLEET_X *c,
#endif
                         FLEET_X *y)
{
    const int32_t last = p->outer.rank - 1;
    const int32_t deep = p->inner.rank - 1;
    struct fleet_walk_state o;
    struct fleet_walk_state s;
    if (!fleet_walk_start(&p->outer, &o)) {
        return;
    }
    do {
        for (int32_t i = 0; i < p->outer.shape[last]; ++i) {
            FLEET_ACC sum = 0;
            bool more = fleet_walk_start(&p->inner, &s);
            while (more) {
                for (int32_t k = 0; k < p->inner.shape[deep]; ++k) {
#define FLEET_AT(operand) \
    (o.at[operand] + i * p->outer.stride[operand][last] + s.at[operand] + k * p->inner.stride[operand][deep])
                    FLEET_ACC product = (FLEET_ACC)a[FLEET_AT(0)];
#if FLEET_COUNT > 1
                    product = product * (FLEET_ACC)b[FLEET_AT(1)];
#endif
#if FLEET_COUNT > 2
                    product = product * (FLEET_ACC)c[FLEET_AT(2)];
#endif
#undef FLEET_AT
                    sum = sum + product;
                }
                more = fleet_walk_next(&p->inner, &s);
            }
            y[o.at[3] + i * p->outer.stride[3][last]] = (FLEET_X)sum;
        }
    } while (fleet_walk_next(&p->outer, &o));
}

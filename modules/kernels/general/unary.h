/* y = FLEET_OP(x), element by element, both walked in the same order; in place if the types are as large.
 *   FLEET_X, FLEET_Y    types of the elements
 *   FLEET_OP(x)         an expression of one FLEET_X, of type FLEET_Y; `p` may be read */
#include "general/scalar.h"

#ifndef FLEET_GENERAL_UNARY_H
#define FLEET_GENERAL_UNARY_H
/* Constants of the operator: bounds, slopes. */
struct fleet_unary {
    int32_t count;
    float alpha, beta, gamma;
};
#endif

static void FLEET_KERNEL(const struct fleet_unary *p, const FLEET_X *x, FLEET_Y *y)
{
    for (int32_t i = 0; i < p->count; ++i) {
        y[i] = FLEET_OP(x[i]);
    }
}

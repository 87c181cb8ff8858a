/* Trilu: the triangle above or below a diagonal of [matrices, rows, columns], zeros elsewhere.
 *   FLEET_X   type of the elements; only its size matters */
#include <stdint.h>

#ifndef FLEET_GENERAL_TRILU_H
#define FLEET_GENERAL_TRILU_H
struct fleet_trilu {
    int32_t matrices, rows, columns, upper;
};
#endif

static void FLEET_KERNEL(const struct fleet_trilu *p, const FLEET_X *x, const int64_t *k, FLEET_X *y)
{
    for (int32_t m = 0; m < p->matrices; ++m) {
        for (int32_t i = 0; i < p->rows; ++i) {
            for (int32_t j = 0; j < p->columns; ++j) {
                const int64_t above = (int64_t)j - i - *k;
                *y++ = (p->upper ? above >= 0 : above <= 0) ? *x : 0;
                ++x;
            }
        }
    }
}

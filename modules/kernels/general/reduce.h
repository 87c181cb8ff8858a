/* Folds dimensions away: y[kept] = LAST(all x over the others).
 *   FLEET_X                  type of x and y
 *   FLEET_ACC                type of the running value
 *   FLEET_LANES              1, or 4: as many running values, taken in turn, (l0 + l2) + (l1 + l3) in the end
 *   FLEET_FIRST              first value of each
 *   FLEET_STEP(acc, v)       the next value
 *   FLEET_CENTRED            0, or 1: STEP and LAST may use `top`, the largest element, 0 if that is not finite
 *   FLEET_LAST(acc, n)       the result, from the last value and the number of elements
 *   FLEET_RUNTIME_AXES       0, or 1: the dimensions are read when the model runs
 *
 * Elements are taken in the order in which they lie in x. */
#include "general/axes.h"
#include "general/scalar.h"

static void FLEET_KERNEL(const struct fleet_reduce *p, const FLEET_X *x,
#if FLEET_RUNTIME_AXES
                         const int64_t *axes,
#endif
                         FLEET_X *y)
{
    struct fleet_reduction r;
#if FLEET_RUNTIME_AXES
    fleet_reduction_start(&r, p, axes);
#else
    fleet_reduction_start(&r, p, 0);
#endif
    for (int32_t i = 0; i < p->results; ++i) {
        FLEET_ACC lanes[4] = {FLEET_FIRST, FLEET_FIRST, FLEET_FIRST, FLEET_FIRST};
#if FLEET_CENTRED
        double top = -__builtin_inf();
        for (int32_t n = 0; n < r.count; ++n) {
            const double v = (double)x[fleet_reduction_next(&r, p)];
            top = top < v ? v : top;
        }
        top = fleet_abs_f64(top) <= 0x1.fffffffffffffp1023 ? top : 0.0;
#endif
        for (int32_t n = 0; n < r.count; ++n) {
            const int32_t lane = n & (FLEET_LANES - 1);
            const FLEET_X v = x[fleet_reduction_next(&r, p)];
            lanes[lane] = FLEET_STEP(lanes[lane], v);
        }
        const FLEET_ACC acc = FLEET_LANES == 1 ? lanes[0] : (FLEET_ACC)((lanes[0] + lanes[2]) + (lanes[1] + lanes[3]));
        y[i] = (FLEET_X)(FLEET_LAST(acc, r.count));
        fleet_reduction_advance(&r, p);
    }
}

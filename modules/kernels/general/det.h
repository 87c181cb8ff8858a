/* Det of [matrices, size, size], by elimination with the largest pivot, in float64.
 *   FLEET_X   type of the elements */
#include "general/functions.h"

#ifndef FLEET_GENERAL_DET_H
#define FLEET_GENERAL_DET_H
struct fleet_det {
    int32_t matrices, size;
};
#endif

static void FLEET_KERNEL(const struct fleet_det *p, const FLEET_X *x, FLEET_X *y, double *scratch)
{
    const int32_t n = p->size;
    for (int32_t m = 0; m < p->matrices; ++m) {
        for (int32_t i = 0; i < n * n; ++i) {
            scratch[i] = (double)x[m * n * n + i];
        }
        double det = 1.0;
        for (int32_t k = 0; k < n; ++k) {
            int32_t pivot = k;
            for (int32_t i = k + 1; i < n; ++i) {
                pivot = fleet_abs_f64(scratch[i * n + k]) > fleet_abs_f64(scratch[pivot * n + k]) ? i : pivot;
            }
            det = pivot == k ? det : -det;
            for (int32_t j = 0; j < n; ++j) {
                const double swapped = scratch[k * n + j];
                scratch[k * n + j] = scratch[pivot * n + j];
                scratch[pivot * n + j] = swapped;
            }
            const double head = scratch[k * n + k];
            det = det * head;
            for (int32_t i = k + 1; head != 0.0 && i < n; ++i) {
                const double factor = scratch[i * n + k] / head;
                for (int32_t j = k; j < n; ++j) {
                    scratch[i * n + j] = scratch[i * n + j] - factor * scratch[k * n + j];
                }
            }
        }
        y[m] = (FLEET_X)det;
    }
}

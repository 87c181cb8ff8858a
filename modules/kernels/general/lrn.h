/* LRN: y = x / (bias + alpha / size · Σ x² over neighbouring channels) ^ beta, of [batch, channels, inner].
 *   FLEET_X   float32 or float64 */
#include "general/scalar.h"

#ifndef FLEET_GENERAL_LRN_H
#define FLEET_GENERAL_LRN_H
struct fleet_lrn {
    int32_t batch, channels, inner;
    int32_t before, after;
    float scale, beta, bias; /* scale = alpha / size */
};
#endif

static void FLEET_KERNEL(const struct fleet_lrn *p, const FLEET_X *x, FLEET_X *y)
{
    for (int32_t n = 0; n < p->batch; ++n) {
        for (int32_t c = 0; c < p->channels; ++c) {
            const int32_t first = c - p->before < 0 ? 0 : c - p->before;
            const int32_t last = c + p->after >= p->channels ? p->channels - 1 : c + p->after;
            for (int32_t i = 0; i < p->inner; ++i) {
                FLEET_X sum = 0;
                for (int32_t k = first; k <= last; ++k) {
                    const FLEET_X v = x[(n * p->channels + k) * p->inner + i];
                    sum = sum + v * v;
                }
                const FLEET_X base = p->bias + p->scale * sum;
                const int32_t at = (n * p->channels + c) * p->inner + i;
                y[at] = x[at] / (FLEET_X)fleet_pow_f64((double)base, (double)p->beta);
            }
        }
    }
}

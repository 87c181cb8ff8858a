/* DFT along one dimension of [outer, length, inner], of real or complex numbers, by the definition, summed in float64.
 *   FLEET_X   float32 or float64 */
#include "general/turns.h"

#ifndef FLEET_GENERAL_DFT_H
#define FLEET_GENERAL_DFT_H
/* parts: 1 for real x, 2 for complex. `size`: of the transform; x is cut or filled with zeros. `out`: bins that are made.
 * y is complex, [outer, out, inner, 2], unless `real` is 1. */
struct fleet_dft {
    int32_t outer, length, inner, parts;
    int32_t size, out;
    int32_t inverse, real;
};
#endif

static void FLEET_KERNEL(const struct fleet_dft *p, const FLEET_X *x, FLEET_X *y, double *turns)
{
    fleet_dft_turns(p->size, turns);
    const double scale = p->inverse ? 1.0 / (double)p->size : 1.0;
    const int32_t known = p->length < p->size ? p->length : p->size;
    for (int32_t o = 0; o < p->outer; ++o) {
        for (int32_t k = 0; k < p->out; ++k) {
            for (int32_t i = 0; i < p->inner; ++i) {
                double re = 0.0;
                double im = 0.0;
                for (int32_t n = 0; n < p->size; ++n) {
                    /* The other half of what a one-sided spectrum holds is its mirror. */
                    const int32_t mirrored = n >= known && p->real && p->inverse;
                    if (n >= known && !mirrored) {
                        break;
                    }
                    const int32_t from = mirrored ? p->size - n : n;
                    if (from >= p->length) {
                        continue;
                    }
                    const FLEET_X *v = x + ((o * p->length + from) * p->inner + i) * p->parts;
                    const double a = (double)v[0];
                    const double b = p->parts == 2 ? (mirrored ? -(double)v[1] : (double)v[1]) : 0.0;
                    const int32_t turn = (int32_t)((int64_t)k * n % p->size);
                    const double c = turns[2 * turn];
                    const double s = p->inverse ? turns[2 * turn + 1] : -turns[2 * turn + 1];
                    re = re + (a * c - b * s);
                    im = im + (a * s + b * c);
                }
                FLEET_X *target = y + ((o * p->out + k) * p->inner + i) * (p->real ? 1 : 2);
                target[0] = (FLEET_X)(re * scale);
                if (!p->real) {
                    target[1] = (FLEET_X)(im * scale);
                }
            }
        }
    }
}

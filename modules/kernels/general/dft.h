/* DFT along one dimension, of real or complex numbers, by the definition, summed in float64.
 *   FLEET_X   float32 or float64 */
#include "general/turns.h"

#ifndef FLEET_GENERAL_DFT_H
#define FLEET_GENERAL_DFT_H
/* parts: 1 for real x, 2 for complex, the last dimension of x, which is not among `in`. x is cut or filled with zeros to
 * `size`, or if that is 0 to what the dimension has. y is complex unless `real` is 1. room: of the table of angles. */
struct fleet_dft {
    int32_t rank;
    int32_t in[8], out[8];
    int32_t parts, size, room;
    int32_t inverse, real;
};
#endif

static void FLEET_KERNEL(const struct fleet_dft *p, const FLEET_X *x, const int64_t *axis_of, FLEET_X *y, double *turns)
{
    /* The last dimension, which holds the parts, counts too where an axis is counted from the end. */
    const int64_t axis = *axis_of < 0 ? *axis_of + p->rank + 1 : *axis_of;
    if (axis < 0 || axis >= p->rank) {
        __builtin_trap();
    }
    int32_t outer = 1;
    int32_t inner = 1;
    for (int32_t d = 0; d < p->rank; ++d) {
        outer *= d < axis ? p->in[d] : 1;
        inner *= d > axis ? p->in[d] : 1;
    }
    const int32_t length = p->in[axis];
    const int32_t out = p->out[axis];
    const int32_t size = p->size ? p->size : p->real ? out : length;
    if (size > p->room || size == 0) {
        __builtin_trap();
    }
    fleet_dft_turns(size, turns);
    const double scale = p->inverse ? 1.0 / (double)size : 1.0;
    const int32_t known = length < size ? length : size;
    for (int32_t row = 0; row < outer * out * inner; ++row) {
        const int32_t o = row / (out * inner);
        const int32_t k = row / inner % out;
        const int32_t i = row % inner;
        double re = 0.0;
        double im = 0.0;
        /* The other half of what a one-sided spectrum holds is its mirror. */
        const int32_t terms = p->real && p->inverse ? size : known;
        for (int32_t n = 0; n < terms; ++n) {
            const int32_t from = n < known ? n : size - n;
            if (from >= length) {
                continue;
            }
            const FLEET_X *v = x + ((o * length + from) * inner + i) * p->parts;
            const double a = (double)v[0];
            const double b = p->parts == 2 ? (n < known ? (double)v[1] : -(double)v[1]) : 0.0;
            const int32_t turn = (int32_t)((int64_t)k * n % size);
            const double c = turns[2 * turn];
            const double s = p->inverse ? turns[2 * turn + 1] : -turns[2 * turn + 1];
            re = re + (a * c - b * s);
            im = im + (a * s + b * c);
        }
        *y++ = (FLEET_X)(re * scale);
        if (!p->real) {
            *y++ = (FLEET_X)(im * scale);
        }
    }
}

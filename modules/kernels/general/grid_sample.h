/* GridSample of [batch, channels, size…] at [batch, places, rank] coordinates, the innermost dimension first.
 *   FLEET_X   type of x, the grid and y */
#include "general/interpolation.h"

#ifndef FLEET_GENERAL_GRID_SAMPLE_H
#define FLEET_GENERAL_GRID_SAMPLE_H
/* padding: 0 zeros, 1 border, 2 reflection */
struct fleet_grid_sample {
    int32_t rank, batch, channels, places;
    int32_t size[3];
    int32_t mode, padding, align_corners;
};

/* Turns round at lo and hi until it is between them. */
static inline double fleet_reflected(double x, double lo, double hi)
{
    const double span = hi - lo;
    if (span <= 0.0) {
        return lo;
    }
    double distance = fleet_abs_f64(x - lo);
    const double turns = __builtin_floor(distance / span);
    distance = distance - turns * span;
    return turns - 2.0 * __builtin_floor(turns / 2.0) == 0.0 ? lo + distance : hi - distance;
}

/* The element that a coordinate stands for; -1 where that is a zero. */
static inline int32_t fleet_grid_index(const struct fleet_grid_sample *p, double i, int32_t size)
{
    const double lo = p->align_corners ? 0.0 : -0.5;
    const double hi = p->align_corners ? (double)(size - 1) : (double)size - 0.5;
    if (p->padding == 2 && (i < 0.0 || i > (double)(size - 1))) {
        i = fleet_reflected(i, lo, hi);
        i = __builtin_floor(i);
    }
    if (i >= 0.0 && i <= (double)(size - 1)) {
        return (int32_t)i;
    }
    return p->padding == 0 || i != i ? -1 : i < 0.0 ? 0 : size - 1;
}
#endif

static void FLEET_KERNEL(const struct fleet_grid_sample *p, const FLEET_X *x, const FLEET_X *grid, FLEET_X *y)
{
    const int32_t taps = p->mode == FLEET_NEAREST ? 1 : p->mode == FLEET_LINEAR ? 2 : 4;
    int32_t map = 1;
    int32_t combinations = 1;
    for (int32_t d = 0; d < p->rank; ++d) {
        map *= p->size[d];
        combinations *= taps;
    }
    for (int32_t b = 0; b < p->batch; ++b) {
        for (int32_t q = 0; q < p->places; ++q) {
            const FLEET_X *at = grid + (b * p->places + q) * p->rank;
            double base[3];
            double ratio[3];
            for (int32_t d = 0; d < p->rank; ++d) {
                const double g = (double)at[p->rank - 1 - d];
                const double size = (double)p->size[d];
                double c = p->align_corners ? (g + 1.0) / 2.0 * (size - 1.0) : ((g + 1.0) * size - 1.0) / 2.0;
                const double lo = p->align_corners ? 0.0 : -0.5;
                const double hi = p->align_corners ? size - 1.0 : size - 0.5;
                /* Cubic taps are folded back one by one, other places as a whole. */
                if (p->mode == FLEET_NEAREST) {
                    c = fleet_rne_f64(c < -0x1p30 ? -0x1p30 : c > 0x1p30 ? 0x1p30 : c);
                }
                if (p->mode != FLEET_CUBIC && (c < lo || c > hi)) {
                    c = p->padding == 1 ? (c < 0.0 ? 0.0 : size - 1.0) : p->padding == 2 ? fleet_reflected(c, lo, hi) : c;
                }
                base[d] = __builtin_floor(c);
                ratio[d] = c - base[d];
            }
            for (int32_t channel = 0; channel < p->channels; ++channel) {
                const FLEET_X *source = x + (b * p->channels + channel) * map;
                double acc = 0.0;
                for (int32_t k = 0; k < combinations; ++k) {
                    double weight = 1.0;
                    int32_t from = 0;
                    int32_t rest = k;
                    int32_t scale = combinations;
                    for (int32_t d = 0; d < p->rank; ++d) {
                        scale /= taps;
                        const int32_t tap = rest / scale;
                        rest %= scale;
                        const double offset = (double)(taps == 4 ? tap - 1 : tap);
                        const int32_t i = fleet_grid_index(p, base[d] + offset, p->size[d]);
                        from = from < 0 || i < 0 ? -1 : from * p->size[d] + i;
                        weight = weight * (taps == 1   ? 1.0
                                           : taps == 2 ? (tap ? ratio[d] : 1.0 - ratio[d])
                                                       : fleet_cubic_weight(offset - ratio[d], -0.75));
                    }
                    acc = from < 0 || weight == 0.0 ? acc : acc + weight * (double)source[from];
                }
                y[(b * p->channels + channel) * p->places + q] = (FLEET_X)acc;
            }
        }
    }
}

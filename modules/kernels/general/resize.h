/* Resize: interpolation along each dimension, as onnx's operator page defines it, in float64.
 *   FLEET_X        type of x and y
 *   FLEET_SIZES    1: sizes are given, int64; 0: scales are given, float32
 *   FLEET_ROI      1: a region is given, float32 begins and ends
 *
 * Tables of taps are made first, one row for each place of each dimension that is resized. */
#include "general/interpolation.h"

#ifndef FLEET_GENERAL_RESIZE_H
#define FLEET_GENERAL_RESIZE_H
/* axis[i]: the dimension that the i-th size or scale is for. aspect: 0 stretch, 1 not larger, 2 not smaller.
 * taps: room for each dimension in the tables, at least 1. */
struct fleet_resize {
    int32_t rank;
    int32_t in[8], out[8], taps[8];
    int32_t axes;
    int32_t axis[8];
    int32_t aspect;
    struct fleet_interpolation how;
    double extrapolation;
};
#endif

static void FLEET_KERNEL(const struct fleet_resize *p, const FLEET_X *x,
#if FLEET_SIZES
                         const int64_t *sizes,
#else
                         const float *scales,
#endif
#if FLEET_ROI
                         const float *roi,
#endif
                         FLEET_X *y, double *scratch)
{
    struct fleet_taps table[8];
    double common = 0.0;
    for (int32_t d = 0; d < p->rank; ++d) {
        table[d].weights = scratch;
        scratch += p->out[d] * p->taps[d];
        table[d].first = (int32_t *)scratch;
        scratch += (p->out[d] + 1) / 2;
        table[d].room = p->taps[d];
        fleet_taps_identity(&table[d], p->out[d]);
    }
#if FLEET_SIZES
    for (int32_t i = 0; p->aspect && i < p->axes; ++i) {
        const double s = (double)sizes[i] / (double)p->in[p->axis[i]];
        common = i == 0 || (p->aspect == 1 ? s < common : s > common) ? s : common;
    }
#endif
    for (int32_t i = 0; i < p->axes; ++i) {
        const int32_t d = p->axis[i];
#if FLEET_SIZES
        const double scale = p->aspect ? common : (double)sizes[i] / (double)p->in[d];
#else
        const double scale = (double)scales[i];
#endif
#if FLEET_ROI
        const double begin = (double)roi[i];
        const double end = (double)roi[i + p->axes];
#else
        const double begin = 0.0;
        const double end = 1.0;
#endif
        fleet_taps_fill(&table[d], &p->how, scale, p->in[d], p->out[d], begin, end);
    }
    (void)common;
    int32_t place[8];
    int32_t tap[8];
    int32_t total = 1;
    for (int32_t d = 0; d < p->rank; ++d) {
        place[d] = 0;
        total *= p->out[d];
    }
    for (int32_t n = 0; n < total; ++n) {
        double acc = 0.0;
        bool outside = false;
        for (int32_t d = 0; d < p->rank; ++d) {
            tap[d] = 0;
            outside = outside || table[d].first[place[d]] == FLEET_TAPS_OUTSIDE;
        }
        for (bool more = !outside; more;) {
            double weight = 1.0;
            int32_t at = 0;
            for (int32_t d = 0; d < p->rank; ++d) {
                weight = weight * table[d].weights[place[d] * table[d].room + tap[d]];
                int32_t i = table[d].first[place[d]] + tap[d];
                i = i < 0 ? 0 : i >= p->in[d] ? p->in[d] - 1 : i;
                at = at * p->in[d] + i;
            }
            acc = weight == 0.0 ? acc : acc + weight * (double)x[at];
            more = false;
            for (int32_t d = p->rank - 1; d >= 0; --d) {
                if (++tap[d] < table[d].count) {
                    more = true;
                    break;
                }
                tap[d] = 0;
            }
        }
        y[n] = (FLEET_X)(outside ? p->extrapolation : acc);
        for (int32_t d = p->rank - 1; d >= 0 && ++place[d] == p->out[d]; --d) {
            place[d] = 0;
        }
    }
}

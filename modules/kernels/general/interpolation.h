/* Which elements an interpolated one is made of, and with what weights. */
#ifndef FLEET_GENERAL_INTERPOLATION_H
#define FLEET_GENERAL_INTERPOLATION_H

#include <stdbool.h>
#include <stdint.h>

#include "general/functions.h"

enum fleet_resize_mode { FLEET_NEAREST, FLEET_LINEAR, FLEET_CUBIC };
enum fleet_nearest { FLEET_ROUND_PREFER_FLOOR, FLEET_ROUND_PREFER_CEIL, FLEET_ROUND_FLOOR, FLEET_ROUND_CEIL };
enum fleet_coordinates {
    FLEET_HALF_PIXEL,
    FLEET_HALF_PIXEL_SYMMETRIC,
    FLEET_PYTORCH_HALF_PIXEL,
    FLEET_ALIGN_CORNERS,
    FLEET_ASYMMETRIC,
    FLEET_CROP_AND_RESIZE
};

struct fleet_interpolation {
    int32_t mode, nearest, coordinates, antialias, exclude_outside;
    double cubic;
};

#define FLEET_TAPS_OUTSIDE INT32_MIN

/* Of one dimension: for each place the first element, which may be outside, and `count` weights in rows of `room`. */
struct fleet_taps {
    double *weights;
    int32_t *first;
    int32_t room, count;
};

static inline void fleet_taps_identity(struct fleet_taps *t, int32_t size)
{
    t->count = 1;
    for (int32_t i = 0; i < size; ++i) {
        t->first[i] = i;
        t->weights[i * t->room] = 1.0;
    }
}

/* Keys' cubic convolution. */
static inline double fleet_cubic_weight(double x, double a)
{
    x = fleet_abs_f64(x);
    if (x <= 1.0) {
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    }
    return x < 2.0 ? ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a : 0.0;
}

static inline double fleet_coordinate(const struct fleet_interpolation *how, int32_t i, double scale, int32_t in,
                                      int32_t out, double begin, double end)
{
    const double x = (double)i;
    const double length = (double)in;
    const double stretched = scale * length;
    switch (how->coordinates) {
    case FLEET_ALIGN_CORNERS:
        return stretched == 1.0 ? 0.0 : x * (length - 1.0) / (stretched - 1.0);
    case FLEET_ASYMMETRIC:
        return x / scale;
    case FLEET_CROP_AND_RESIZE:
        if (out == 1) {
            return (end - begin) * (length - 1.0) / 2.0 + begin * (length - 1.0);
        }
        return x * (end - begin) * (length - 1.0) / (double)(out - 1) + begin * (length - 1.0);
    case FLEET_PYTORCH_HALF_PIXEL:
        return out == 1 ? -0.5 : (x + 0.5) / scale - 0.5;
    case FLEET_HALF_PIXEL_SYMMETRIC:
        return length / 2.0 * (1.0 - (double)out / stretched) + (x + 0.5) / scale - 0.5;
    default:
        return (x + 0.5) / scale - 0.5;
    }
}

static inline double fleet_nearest_weight(const struct fleet_interpolation *how, double ratio, int32_t tap)
{
    bool right;
    switch (how->nearest) {
    case FLEET_ROUND_PREFER_FLOOR: right = ratio > 0.5; break;
    case FLEET_ROUND_PREFER_CEIL: right = ratio >= 0.5; break;
    case FLEET_ROUND_FLOOR: right = ratio == 1.0; break;
    default: right = true; break;
    }
    return right == (tap == 1) ? 1.0 : 0.0;
}

/* Every place lies at base + ratio, 0 < ratio <= 1; an even number of taps stands around it. */
static inline void fleet_taps_fill(struct fleet_taps *t, const struct fleet_interpolation *how, double scale, int32_t in,
                                   int32_t out, double begin, double end)
{
    const double shrink = how->antialias && scale < 1.0 ? scale : 1.0;
    const double reach = how->mode == FLEET_CUBIC ? 2.0 : 1.0;
    const int32_t start = (int32_t)__builtin_floor(-reach / shrink) + 1;
    t->count = 2 - 2 * start;
    if (t->count > t->room) {
        __builtin_trap();
    }
    for (int32_t i = 0; i < out; ++i) {
        const double x = fleet_coordinate(how, i, scale, in, out, begin, end);
        if (how->coordinates == FLEET_CROP_AND_RESIZE && (x < 0.0 || x > (double)(in - 1))) {
            t->first[i] = FLEET_TAPS_OUTSIDE;
            continue;
        }
        const double base = __builtin_ceil(x) - 1.0;
        const double ratio = x - base;
        double *w = t->weights + i * t->room;
        double sum = 0.0;
        t->first[i] = (int32_t)base + start;
        for (int32_t k = 0; k < t->count; ++k) {
            const double distance = ((double)(start + k) - ratio) * shrink;
            const double away = 1.0 - fleet_abs_f64(distance);
            w[k] = how->mode == FLEET_NEAREST  ? fleet_nearest_weight(how, ratio, k)
                   : how->mode == FLEET_LINEAR ? (away > 0.0 ? away : 0.0)
                                               : fleet_cubic_weight(distance, how->cubic);
            const int32_t from = t->first[i] + k;
            w[k] = how->exclude_outside && (from < 0 || from >= in) ? 0.0 : w[k];
            sum = sum + w[k];
        }
        for (int32_t k = 0; (shrink < 1.0 || how->exclude_outside) && k < t->count; ++k) {
            w[k] = w[k] / sum;
        }
    }
}

#endif

/* Softmax of one strided line. */
#ifndef FLEET_COMMON_SOFTMAX_H
#define FLEET_COMMON_SOFTMAX_H

#include "common/exp.h"

static inline void fleet_softmax_line(const float *x, int32_t length, int32_t stride, float *y)
{
    float largest = -__builtin_inff();
    for (int32_t i = 0; i < length; ++i) {
        largest = fleet_max(largest, x[i * stride]);
    }
    struct fleet_sum4 sum = {{0.0f, 0.0f, 0.0f, 0.0f}};
    for (int32_t i = 0; i < length; ++i) {
        const float e = fleet_exp(x[i * stride] - largest);
        fleet_sum4_add(&sum, i, e);
        y[i * stride] = e;
    }
    const float total = fleet_sum4_total(&sum);
    for (int32_t i = 0; i < length; ++i) {
        y[i * stride] = y[i * stride] / total;
    }
}

#endif

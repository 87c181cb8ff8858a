/* Pooling. Global pooling is a window over the whole input. In every kernel out_c = in_c. The output of the int8 pools may run over
 * the input from below: controller/compiler/plan/overlap.py. The others are not in place. */
#ifndef FLEET_POOLING_H
#define FLEET_POOLING_H

#include <stdint.h>

#include "fleet/window.h"

struct fleet_max_pool_s8_params {
    struct fleet_window window;
    int32_t out_min, out_max;
};

void fleet_max_pool_s8(const struct fleet_max_pool_s8_params *p, const int8_t *x, int8_t *y);

/* count_include_pad    0 or 1
 * in_scale, out_scale  finite, > 0
 * kernel_h·kernel_w    < 2^23; no window counts zero elements */
struct fleet_average_pool_s8_params {
    struct fleet_window window;
    int32_t count_include_pad;
    int32_t in_zero_point;
    int32_t out_zero_point;
    int32_t out_min, out_max;
    float in_scale, out_scale;
};

void fleet_average_pool_s8(const struct fleet_average_pool_s8_params *p, const int8_t *x, int8_t *y);

/* out_min <= out_max, infinities allowed, no NaN */
struct fleet_max_pool_f32_params {
    struct fleet_window window;
    float out_min, out_max;
};

void fleet_max_pool_f32(const struct fleet_max_pool_f32_params *p, const float *x, float *y);

/* count_include_pad    0 or 1; no window counts zero elements */
struct fleet_average_pool_f32_params {
    struct fleet_window window;
    int32_t count_include_pad;
    float out_min, out_max;
};

void fleet_average_pool_f32(const struct fleet_average_pool_f32_params *p, const float *x, float *y);

#endif

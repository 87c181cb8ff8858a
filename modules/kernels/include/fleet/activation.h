/* Operators on one tensor, element by element. In place: y may be x. */
#ifndef FLEET_ACTIVATION_H
#define FLEET_ACTIVATION_H

#include <stdint.h>

/* rows >= 1 runs of columns >= 1 elements; *_stride >= columns is the distance in bytes from one run to the next. With an
 * out_stride wider than columns the kernel writes its part of a Concat; in place only where the strides are equal. */
struct fleet_table_s8_params {
    int32_t rows, columns;
    int32_t in_stride, out_stride;
};

/* y = table[x + 128].  table: 256 entries, 16-aligned. */
void fleet_table_s8(const struct fleet_table_s8_params *p, const int8_t *x, const int8_t *table, int8_t *y);

/* count >= 1; out_min <= out_max, infinities allowed, no NaN */
struct fleet_clip_f32_params {
    int32_t count;
    float out_min, out_max;
};

void fleet_clip_f32(const struct fleet_clip_f32_params *p, const float *x, float *y);

/* count >= 1; alpha, beta finite */
struct fleet_hard_sigmoid_f32_params {
    int32_t count;
    float alpha, beta;
};

void fleet_hard_sigmoid_f32(const struct fleet_hard_sigmoid_f32_params *p, const float *x, float *y);

/* count >= 1 */
struct fleet_unary_f32_params {
    int32_t count;
};

void fleet_hard_swish_f32(const struct fleet_unary_f32_params *p, const float *x, float *y);
void fleet_sigmoid_f32(const struct fleet_unary_f32_params *p, const float *x, float *y);

#endif

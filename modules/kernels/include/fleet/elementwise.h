/* Operators on two tensors, element by element, with broadcasting. */
#ifndef FLEET_ELEMENTWISE_H
#define FLEET_ELEMENTWISE_H

#include <stdint.h>

#define FLEET_MAX_RANK 6

/* The output is dense with dimensions shape[0 … rank − 1], outermost first; strides are in elements, 0 along a
 * broadcast dimension.
 *
 *   rank       1 … FLEET_MAX_RANK; merge dimensions that walk alike, the innermost loop is the last one
 *   shape      >= 1
 *   *_stride   >= 0
 *
 * In place: y may be a (or b) if that operand's strides are those of the dense output. */
struct fleet_broadcast {
    int32_t rank;
    int32_t shape[FLEET_MAX_RANK];
    int32_t a_stride[FLEET_MAX_RANK];
    int32_t b_stride[FLEET_MAX_RANK];
};

/* a_ratio = f32(sa / sy), b_ratio = f32(sb / sy); negate b_ratio to subtract. Finite. */
struct fleet_add_s8_params {
    struct fleet_broadcast broadcast;
    int32_t a_zero_point, b_zero_point;
    int32_t out_zero_point;
    int32_t out_min, out_max;
    float a_ratio, b_ratio;
};

void fleet_add_s8(const struct fleet_add_s8_params *p, const int8_t *a, const int8_t *b, int8_t *y);

/* multiplier = f32(f32(sa · sb) / sy), finite. */
struct fleet_mul_s8_params {
    struct fleet_broadcast broadcast;
    int32_t a_zero_point, b_zero_point;
    int32_t out_zero_point;
    int32_t out_min, out_max;
    float multiplier;
};

void fleet_mul_s8(const struct fleet_mul_s8_params *p, const int8_t *a, const int8_t *b, int8_t *y);

/* out_min <= out_max, infinities allowed, no NaN */
struct fleet_binary_f32_params {
    struct fleet_broadcast broadcast;
    float out_min, out_max;
};

void fleet_add_f32(const struct fleet_binary_f32_params *p, const float *a, const float *b, float *y);
void fleet_sub_f32(const struct fleet_binary_f32_params *p, const float *a, const float *b, float *y);
void fleet_mul_f32(const struct fleet_binary_f32_params *p, const float *a, const float *b, float *y);
void fleet_div_f32(const struct fleet_binary_f32_params *p, const float *a, const float *b, float *y);

#endif

/* Softmax along one axis of [outer, length, inner]. In place: y may be x. */
#ifndef FLEET_SOFTMAX_H
#define FLEET_SOFTMAX_H

#include <stdint.h>

/* outer, inner   >= 1
 * length         1 … 65536
 * inverse_scale  f32(1 / sy), finite, > 0 */
struct fleet_softmax_s8_params {
    int32_t outer, length, inner;
    int32_t out_zero_point;
    float inverse_scale;
};

/* table: 256 uint32, table[max − x], descending from table[0] > 0; length · table[0] <= 2^30. */
void fleet_softmax_s8(const struct fleet_softmax_s8_params *p, const int8_t *x, const uint32_t *table, int8_t *y);

/* outer, length, inner   >= 1 */
struct fleet_softmax_f32_params {
    int32_t outer, length, inner;
};

void fleet_softmax_f32(const struct fleet_softmax_f32_params *p, const float *x, float *y);

#endif

/* Between float32 and int8. Not in place. */
#ifndef FLEET_QUANTIZATION_H
#define FLEET_QUANTIZATION_H

#include <stdint.h>

/* count >= 1; scale finite, > 0 */
struct fleet_quantize_params {
    int32_t count;
    int32_t zero_point;
    float scale;
};

/* y = QuantizeLinear(x) */
void fleet_quantize_f32_s8(const struct fleet_quantize_params *p, const float *x, int8_t *y);

/* y = DequantizeLinear(x) */
void fleet_dequantize_s8_f32(const struct fleet_quantize_params *p, const int8_t *x, float *y);

#endif

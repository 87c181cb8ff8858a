/* Kernels called in a loop inside the module, so that the cost of entering it does not count. */
#include "fleet_kernels.h"

#define REPEAT(kernel, parameters, arguments)                                               \
    __attribute__((visibility("default"))) void repeat_##kernel(int32_t times, REPEAT_LIST parameters) \
    {                                                                                       \
        for (int32_t i = 0; i < times; ++i) {                                               \
            kernel arguments;                                                               \
        }                                                                                   \
    }
#define REPEAT_LIST(...) __VA_ARGS__

#define REPEAT_UNARY(kernel, params, from, to) REPEAT(kernel, (const struct params *p, const from *x, to *y), (p, x, y))
#define REPEAT_BINARY(kernel, params, from, with, to) \
    REPEAT(kernel, (const struct params *p, const from *a, const with *b, to *y), (p, a, b, y))
#define REPEAT_CONV_S8(kernel, params)                                                                                    \
    REPEAT(kernel,                                                                                                        \
           (const struct params *p, const int8_t *x, const int8_t *w, const int32_t *b, const float *m, int8_t *y, void *s), \
           (p, x, w, b, m, y, s))
#define REPEAT_CONV_F32(kernel, params) \
    REPEAT(kernel, (const struct params *p, const float *x, const float *w, const float *b, float *y), (p, x, w, b, y))

REPEAT_CONV_S8(fleet_conv_s8, fleet_conv_s8_params)
REPEAT_CONV_S8(fleet_depthwise_conv_s8, fleet_conv_s8_params)
REPEAT_CONV_S8(fleet_matmul_s8, fleet_matmul_s8_params)
REPEAT_CONV_F32(fleet_conv_f32, fleet_conv_f32_params)
REPEAT_CONV_F32(fleet_depthwise_conv_f32, fleet_conv_f32_params)
REPEAT_CONV_F32(fleet_matmul_f32, fleet_matmul_f32_params)
REPEAT_BINARY(fleet_add_s8, fleet_add_s8_params, int8_t, int8_t, int8_t)
REPEAT_BINARY(fleet_mul_s8, fleet_mul_s8_params, int8_t, int8_t, int8_t)
REPEAT_BINARY(fleet_add_f32, fleet_binary_f32_params, float, float, float)
REPEAT_BINARY(fleet_table_s8, fleet_table_s8_params, int8_t, int8_t, int8_t)
REPEAT_BINARY(fleet_softmax_s8, fleet_softmax_s8_params, int8_t, uint32_t, int8_t)
REPEAT_UNARY(fleet_softmax_f32, fleet_softmax_f32_params, float, float)
REPEAT_UNARY(fleet_max_pool_s8, fleet_max_pool_s8_params, int8_t, int8_t)
REPEAT_UNARY(fleet_average_pool_s8, fleet_average_pool_s8_params, int8_t, int8_t)
REPEAT_UNARY(fleet_quantize_f32_s8, fleet_quantize_params, float, int8_t)
REPEAT_UNARY(fleet_dequantize_s8_f32, fleet_quantize_params, int8_t, float)

#include "common/broadcast.h"
#include "fleet_kernels.h"
#include "simd128/common/requantize.h"
#include "simd128/elementwise/operand_s8.h"

static void mul_line_s8(const struct fleet_mul_s8_params *p, const int8_t *a, int32_t a_stride, const int8_t *b, int32_t b_stride,
                     int32_t count, int8_t *y)
{
    const struct fleet_to_int8_lanes q = fleet_to_int8_lanes_of(p->out_zero_point, p->out_min, p->out_max);
    const v128_t a_zero = wasm_i16x8_splat((int16_t)p->a_zero_point);
    const v128_t b_zero = wasm_i16x8_splat((int16_t)p->b_zero_point);
    const v128_t multiplier = wasm_f32x4_splat(p->multiplier);
    int32_t i = 0;
    if (a_stride <= 1 && b_stride <= 1) {
        for (; i + 8 <= count; i += 8) {
            const v128_t left = fleet_operand_x8(a, i, a_stride, a_zero);
            const v128_t right = fleet_operand_x8(b, i, b_stride, b_zero);
            const v128_t low = wasm_f32x4_convert_i32x4(wasm_i32x4_extmul_low_i16x8(left, right));
            const v128_t high = wasm_f32x4_convert_i32x4(wasm_i32x4_extmul_high_i16x8(left, right));
            const v128_t l = wasm_f32x4_mul(low, multiplier);
            const v128_t h = wasm_f32x4_mul(high, multiplier);
            wasm_v128_store64_lane(y + i, fleet_to_int8_x8(l, h, &q), 0);
        }
    }
    for (; i < count; ++i) {
        const int32_t product = (a[i * a_stride] - p->a_zero_point) * (b[i * b_stride] - p->b_zero_point);
        y[i] = fleet_to_int8((float)product * p->multiplier, p->out_zero_point, p->out_min, p->out_max);
    }
}

void fleet_mul_s8(const struct fleet_mul_s8_params *p, const int8_t *a, const int8_t *b, int8_t *y)
{
    const struct fleet_broadcast *shape = &p->broadcast;
    const int32_t inner = shape->rank - 1;
    struct fleet_broadcast_walk at;
    fleet_broadcast_start(&at);
    do {
        mul_line_s8(p, a + at.a, shape->a_stride[inner], b + at.b, shape->b_stride[inner], shape->shape[inner], y);
        y += shape->shape[inner];
    } while (fleet_broadcast_next(shape, &at));
}

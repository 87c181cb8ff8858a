/* Operands of the int8 operators on two tensors. */
#ifndef FLEET_SIMD128_OPERAND_S8_H
#define FLEET_SIMD128_OPERAND_S8_H

#include <wasm_simd128.h>

#include <stdint.h>

/* Eight int16 with the zero point subtracted, from element i on; stride is 0 or 1. */
static inline v128_t fleet_operand_x8(const int8_t *x, int32_t i, int32_t stride, v128_t zero_point)
{
    return wasm_i16x8_sub(stride ? wasm_i16x8_load8x8(x + i) : wasm_i16x8_splat(*x), zero_point);
}

#endif

/* exp of a float32, below 1 ulp of error; reduction and polynomial of Moshier's Cephes expf, without fused operations. */
#ifndef FLEET_COMMON_EXP_H
#define FLEET_COMMON_EXP_H

#include "common/numbers.h"

#define FLEET_EXP_LOWEST (-104.0f)
#define FLEET_EXP_HIGHEST 89.0f
#define FLEET_EXP_LOG2E 0x1.715476p+0f
#define FLEET_EXP_LN2_HIGH 0x1.63p-1f
#define FLEET_EXP_LN2_LOW (-0x1.bd0106p-13f)
#define FLEET_EXP_C7 0x1.a0d2cep-13f
#define FLEET_EXP_C6 0x1.6e879cp-10f
#define FLEET_EXP_C5 0x1.111210p-7f
#define FLEET_EXP_C4 0x1.555382p-5f
#define FLEET_EXP_C3 0x1.555554p-3f
#define FLEET_EXP_C2 0x1.000000p-1f

static inline float fleet_power_of_two(int32_t exponent)
{
    return fleet_float_of((int32_t)((uint32_t)(exponent + 127) << 23));
}

static inline float fleet_exp(float x)
{
    x = fleet_min(fleet_max(x, FLEET_EXP_LOWEST), FLEET_EXP_HIGHEST);
    float n = x * FLEET_EXP_LOG2E + FLEET_ROUNDER;
    /* Of a NaN any k will do: nothing below overflows, and the result is NaN anyway. */
    const int32_t k = fleet_bits_of(n) - FLEET_ROUNDER_BITS;
    n = n - FLEET_ROUNDER;
    float r = x - n * FLEET_EXP_LN2_HIGH;
    r = r - n * FLEET_EXP_LN2_LOW;
    float p = FLEET_EXP_C7;
    p = p * r + FLEET_EXP_C6;
    p = p * r + FLEET_EXP_C5;
    p = p * r + FLEET_EXP_C4;
    p = p * r + FLEET_EXP_C3;
    p = p * r + FLEET_EXP_C2;
    float y = p * (r * r) + r;
    y = y + 1.0f;
    /* In two steps, so that neither power leaves the range of normal floats. */
    const int32_t half = k >> 1;
    return y * fleet_power_of_two(half) * fleet_power_of_two(k - half);
}

#endif

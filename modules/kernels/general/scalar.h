/* Operations on single numbers, for the templates of element-wise operators. Narrow integers are computed as 64 bits and cut. */
#ifndef FLEET_GENERAL_SCALAR_H
#define FLEET_GENERAL_SCALAR_H

#include "common/exp.h"
#include "general/functions.h"
#include "general/types.h"

#define fleet_exp_f32 fleet_exp
#define fleet_abs_f32 __builtin_fabsf

/* A float as an integer: towards zero; what is too large saturates, NaN gives 0. `above`: the least number that is. */
#define FLEET_INTEGER(type, name, least, most, above) \
    static inline type fleet_##name##_from_f64(double v) \
    { \
        return v != v ? 0 : v <= (double)(least) ? (type)(least) : v >= (above) ? (type)(most) : (type)v; \
    }

FLEET_INTEGER(int8_t, s8, INT8_MIN, INT8_MAX, 0x1p7)
FLEET_INTEGER(int16_t, s16, INT16_MIN, INT16_MAX, 0x1p15)
FLEET_INTEGER(int32_t, s32, INT32_MIN, INT32_MAX, 0x1p31)
FLEET_INTEGER(int64_t, s64, INT64_MIN, INT64_MAX, 0x1p63)
FLEET_INTEGER(uint8_t, u8, 0, UINT8_MAX, 0x1p8)
FLEET_INTEGER(uint16_t, u16, 0, UINT16_MAX, 0x1p16)
FLEET_INTEGER(uint32_t, u32, 0, UINT32_MAX, 0x1p32)
FLEET_INTEGER(uint64_t, u64, 0, UINT64_MAX, 0x1p64)

/* The remainder with the sign of the divisor, as Python's %; by 0 it is 0. */
static inline int64_t fleet_mod_s64(int64_t a, int64_t b)
{
    if (b == 0 || b == -1) {
        return 0;
    }
    const int64_t r = a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

/* The remainder with the sign of the dividend, as C's. */
static inline int64_t fleet_fmod_s64(int64_t a, int64_t b)
{
    return b == 0 || b == -1 ? 0 : a % b;
}

static inline uint64_t fleet_mod_u64(uint64_t a, uint64_t b)
{
    return b == 0 ? 0 : a % b;
}

static inline double fleet_fmod_f64(double a, double b)
{
    double r = fleet_abs_f64(a);
    const double d = fleet_abs_f64(b);
    if (!(d > 0.0) || !(r <= 0x1.fffffffffffffp1023)) {
        return __builtin_nan("");
    }
    if (!(d <= 0x1.fffffffffffffp1023)) {
        return a;
    }
    /* Every step is exact: it takes away the largest d·2^k that is no larger than what is left. */
    while (r >= d) {
        double part = d;
        while (part <= r - part) {
            part = part * 2.0;
        }
        r = r - part;
    }
    return fleet_copysign_f64(r, a);
}

static inline float fleet_fmod_f32(float a, float b)
{
    return (float)fleet_fmod_f64((double)a, (double)b);
}

/* The remainder with the sign of the divisor. */
static inline double fleet_mod_f64(double a, double b)
{
    const double r = fleet_fmod_f64(a, b);
    if (r == 0.0) {
        return fleet_copysign_f64(0.0, b);
    }
    return (r < 0.0) != (b < 0.0) ? r + b : r;
}

static inline float fleet_mod_f32(float a, float b)
{
    return (float)fleet_mod_f64((double)a, (double)b);
}

/* Wraps; a negative exponent gives what is left of the fraction. */
static inline uint64_t fleet_pow_u64(uint64_t a, uint64_t n)
{
    uint64_t result = 1;
    for (; n > 0; n >>= 1) {
        result = n & 1 ? result * a : result;
        a = a * a;
    }
    return result;
}

static inline int64_t fleet_pow_s64(int64_t a, int64_t n)
{
    if (n < 0) {
        return a == 1 ? 1 : a == -1 ? (n & 1 ? -1 : 1) : 0;
    }
    return (int64_t)fleet_pow_u64((uint64_t)a, (uint64_t)n);
}

#endif

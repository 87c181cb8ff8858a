/* Products of int8, four at a time: the DSP extension of Armv7E-M where there is one, plain C elsewhere. */
#ifndef FLEET_MCU_DOT_H
#define FLEET_MCU_DOT_H

#include <stdint.h>

#include "common/numbers.h"

/* Four int8 at any address. */
static inline uint32_t fleet_load4(const int8_t *at)
{
    uint32_t word;
    __builtin_memcpy(&word, at, sizeof word);
    return word;
}

#if defined(__ARM_FEATURE_DSP)

/* Elements 0 and 2, and 1 and 3, as int16. */
static inline uint32_t fleet_even(uint32_t four)
{
    uint32_t two;
    __asm__("sxtb16 %0, %1" : "=r"(two) : "r"(four));
    return two;
}

static inline uint32_t fleet_odd(uint32_t four)
{
    uint32_t two;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(two) : "r"(four));
    return two;
}

static inline int32_t fleet_dot2(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* Products of the lower, and of the upper halves. */
static inline int32_t fleet_low(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smlabb %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

static inline int32_t fleet_high(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smlatt %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

#else

static inline uint32_t fleet_even(uint32_t four)
{
    return (uint32_t)(uint16_t)(int8_t)(uint8_t)four | (uint32_t)(uint16_t)(int8_t)(uint8_t)(four >> 16) << 16;
}

static inline uint32_t fleet_odd(uint32_t four)
{
    return fleet_even(four >> 8);
}

static inline int32_t fleet_low(uint32_t a, uint32_t b, int32_t sum)
{
    return sum + (int16_t)(uint16_t)a * (int16_t)(uint16_t)b;
}

static inline int32_t fleet_high(uint32_t a, uint32_t b, int32_t sum)
{
    return sum + (int16_t)(uint16_t)(a >> 16) * (int16_t)(uint16_t)(b >> 16);
}

static inline int32_t fleet_dot2(uint32_t a, uint32_t b, int32_t sum)
{
    return fleet_high(a, b, fleet_low(a, b, sum));
}

#endif

/* fleet_to_int8(acc · multiplier): rounding first and clamping the integer gives the same, as the bounds are integers. */
static inline int8_t fleet_requantize(int32_t acc, float multiplier, int32_t zero_point, int32_t lo, int32_t hi)
{
#if defined(__ARM_FP) && defined(__ARM_ARCH) && __ARM_ARCH == 7
    /* To nearest, ties to even, and to the nearest int32 beyond: the FPU's default. */
    float rounded;
    int32_t value;
    __asm__("vcvtr.s32.f32 %0, %1" : "=t"(rounded) : "t"((float)acc * multiplier));
    __builtin_memcpy(&value, &rounded, sizeof value);
    if (value < lo - zero_point) {
        value = lo - zero_point;
    }
    if (value > hi - zero_point) {
        value = hi - zero_point;
    }
    return (int8_t)(value + zero_point);
#else
    return fleet_to_int8((float)acc * multiplier, zero_point, lo, hi);
#endif
}

#endif

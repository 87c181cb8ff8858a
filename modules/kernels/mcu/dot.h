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

/* How a sum becomes an int8 output. `narrow`: the bounds leave out some int8. */
struct fleet_rounding {
    int32_t zero_point, lo, hi;
    _Bool narrow;
};

static inline struct fleet_rounding fleet_rounding(int32_t zero_point, int32_t lo, int32_t hi)
{
    return (struct fleet_rounding){zero_point, lo, hi, lo > -128 || hi < 127};
}

/* fleet_to_int8(acc · multiplier). Rounding first and clamping the integer gives the same, as the bounds are integers. */
static inline int8_t fleet_requantize(int32_t acc, float multiplier, struct fleet_rounding r)
{
#if defined(__ARM_FP) && defined(__ARM_FEATURE_DSP)
    /* To nearest, ties to even, and to the nearest int32 beyond: the FPU's default. Then sums that saturate. */
    float rounded;
    int32_t value;
    __asm__("vcvtr.s32.f32 %0, %1" : "=t"(rounded) : "t"((float)acc * multiplier));
    __builtin_memcpy(&value, &rounded, sizeof value);
    __asm__("qadd %0, %0, %1\n\tssat %0, #8, %0" : "+r"(value) : "r"(r.zero_point));
    if (r.narrow) {
        value = value < r.lo ? r.lo : value;
        value = value > r.hi ? r.hi : value;
    }
    return (int8_t)value;
#else
    return fleet_to_int8((float)acc * multiplier, r.zero_point, r.lo, r.hi);
#endif
}

/* Products in s0 to s3, finite, become int8 in r4 to r7; r3 is lost. To nearest, ties to even, and to the nearest int32 beyond, which
 * is the FPU's default; then sums that saturate. */
#define FLEET_ROUND_FOUR \
    "    vcvtr.s32.f32 s0, s0\n" \
    "    vcvtr.s32.f32 s1, s1\n" \
    "    vcvtr.s32.f32 s2, s2\n" \
    "    vcvtr.s32.f32 s3, s3\n" \
    "    vmov  r4, r5, s0, s1\n" \
    "    vmov  r6, r7, s2, s3\n" \
    "    ldr   r3, %[zero_point]\n" \
    "    qadd  r4, r4, r3\n" \
    "    qadd  r5, r5, r3\n" \
    "    qadd  r6, r6, r3\n" \
    "    qadd  r7, r7, r3\n" \
    "    ssat  r4, #8, r4\n" \
    "    ssat  r5, #8, r5\n" \
    "    ssat  r6, #8, r6\n" \
    "    ssat  r7, #8, r7\n"

/* Four sums under four multipliers, the first in the lowest byte. */
static inline uint32_t fleet_requantize4(const int32_t *sums, const float *multipliers, struct fleet_rounding r)
{
#if defined(__ARM_FP) && defined(__ARM_FEATURE_DSP)
    if (!r.narrow) {
        uint32_t a, b, c, d;
        __asm__("vldmia %[sums], {s0, s1, s2, s3}\n"
                "vldmia %[multipliers], {s4, s5, s6, s7}\n"
                "vcvt.f32.s32 s0, s0\n"
                "vcvt.f32.s32 s1, s1\n"
                "vcvt.f32.s32 s2, s2\n"
                "vcvt.f32.s32 s3, s3\n"
                "vmul.f32 s0, s0, s4\n"
                "vmul.f32 s1, s1, s5\n"
                "vmul.f32 s2, s2, s6\n"
                "vmul.f32 s3, s3, s7\n"
                "vcvtr.s32.f32 s0, s0\n"
                "vcvtr.s32.f32 s1, s1\n"
                "vcvtr.s32.f32 s2, s2\n"
                "vcvtr.s32.f32 s3, s3\n"
                "vmov %[a], %[b], s0, s1\n"
                "vmov %[c], %[d], s2, s3\n"
                "qadd %[a], %[a], %[zero_point]\n"
                "qadd %[b], %[b], %[zero_point]\n"
                "qadd %[c], %[c], %[zero_point]\n"
                "qadd %[d], %[d], %[zero_point]\n"
                "ssat %[a], #8, %[a]\n"
                "ssat %[b], #8, %[b]\n"
                "ssat %[c], #8, %[c]\n"
                "ssat %[d], #8, %[d]\n"
                "bfi %[a], %[b], #8, #8\n"
                "bfi %[a], %[c], #16, #8\n"
                "bfi %[a], %[d], #24, #8\n"
                : [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d)
                : [sums] "r"(sums), [multipliers] "r"(multipliers), [zero_point] "r"(r.zero_point)
                : "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "memory");
        return a;
    }
#endif
    uint32_t four = 0;
    for (uint32_t i = 0; i < 4; ++i) {
        four |= (uint32_t)(uint8_t)fleet_requantize(sums[i], multipliers[i], r) << (8 * i);
    }
    return four;
}

#endif

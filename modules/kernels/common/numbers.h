/* The scalar functions that docs/spec/numbers.md defines by name. */
#ifndef FLEET_COMMON_NUMBERS_H
#define FLEET_COMMON_NUMBERS_H

#include <stdint.h>

/* 1.5·2^23: adding it leaves the nearest integer, ties to even, in the low bits, for |v| <= 2^22. */
#define FLEET_ROUNDER 12582912.0f
#define FLEET_ROUNDER_BITS 0x4B400000

union fleet_float_bits {
    float value;
    int32_t bits;
};

static inline float fleet_float_of(int32_t bits)
{
    const union fleet_float_bits u = {.bits = bits};
    return u.value;
}

static inline int32_t fleet_bits_of(float value)
{
    const union fleet_float_bits u = {.value = value};
    return u.bits;
}

/* On NaN, and for −0 against +0, the first argument wins: Wasm's pmax and pmin. */
static inline float fleet_max(float a, float b)
{
    return a < b ? b : a;
}

static inline float fleet_min(float a, float b)
{
    return b < a ? b : a;
}

static inline float fleet_clip(float v, float lo, float hi)
{
    return fleet_min(fleet_max(v, lo), hi);
}

/* Rounds only what was clamped: FLEET_ROUNDER is wrong for larger values. */
static inline int8_t fleet_to_int8(float v, int32_t zero_point, int32_t lo, int32_t hi)
{
    v = fleet_max((float)(lo - zero_point), v);
    v = fleet_min((float)(hi - zero_point), v);
    return (int8_t)(fleet_bits_of(v + FLEET_ROUNDER) - FLEET_ROUNDER_BITS + zero_point);
}

/* Four partial sums, so that vector lanes and scalar code add alike. */
struct fleet_sum4 {
    float lane[4];
};

static inline void fleet_sum4_add(struct fleet_sum4 *sum, int32_t i, float x)
{
    sum->lane[i & 3] += x;
}

static inline float fleet_sum4_total(const struct fleet_sum4 *sum)
{
    return (sum->lane[0] + sum->lane[2]) + (sum->lane[1] + sum->lane[3]);
}

#endif

/* Types that C has not. */
#ifndef FLEET_GENERAL_TYPES_H
#define FLEET_GENERAL_TYPES_H

#include <stdint.h>

#include "common/numbers.h"

/* IEEE 754 binary16, as its bits: stored, never computed with. */
typedef struct {
    uint16_t bits;
} fleet_half;

static inline float fleet_half_to_f32(fleet_half h)
{
    const uint32_t sign = (uint32_t)(h.bits & 0x8000u) << 16;
    const uint32_t magnitude = h.bits & 0x7FFFu;
    union {
        uint32_t bits;
        float value;
    } f;
    if (magnitude >= 0x7C00u) {
        f.bits = sign | 0x7F800000u | (magnitude & 0x3FFu) << 13;
    } else if (magnitude >= 0x400u) {
        f.bits = sign | ((magnitude << 13) + 0x38000000u);
    } else {
        /* Subnormal: a small integer times 2^-24, which float32 holds exactly. */
        f.value = (float)magnitude * 0x1p-24f;
        f.bits |= sign;
    }
    return f.value;
}

/* Nearest, ties to even; too large becomes infinite; NaN becomes 0x7E00. */
static inline fleet_half fleet_half_from_f32(float value)
{
    union {
        float value;
        uint32_t bits;
    } f = {value};
    const uint16_t sign = (uint16_t)(f.bits >> 16 & 0x8000u);
    f.bits &= 0x7FFFFFFFu;
    if (f.bits > 0x7F800000u) {
        return (fleet_half){0x7E00u};
    }
    if (f.bits >= 0x47800000u) {
        return (fleet_half){(uint16_t)(sign | 0x7C00u)};
    }
    if (f.bits < 0x38800000u) {
        /* Below 2^-14: adding 0.5 rounds to a multiple of 2^-24, the unit of half's subnormals. */
        f.value += 0.5f;
        return (fleet_half){(uint16_t)(sign | (f.bits - 0x3F000000u))};
    }
    /* 13 bits go; the carry of rounding moves on into the exponent, as it should, and from 65520 on into infinity. */
    f.bits += 0xFFFu + (f.bits >> 13 & 1u);
    return (fleet_half){(uint16_t)(sign | (uint16_t)((f.bits - 0x38000000u) >> 13))};
}

#endif

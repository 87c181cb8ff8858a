/* Two outputs at a time, two channels at a time: what convolutions and products share. */
#ifndef FLEET_MCU_PATCH_H
#define FLEET_MCU_PATCH_H

#include <stdint.h>

#include "mcu/dot.h"

/* How sums become outputs. */
struct fleet_outputs {
    const int32_t *bias;
    const float *multipliers;
    int32_t zero_point, lo, hi;
};

/* patch       two columns of `words` words of four activations each, one behind the other
 * columns     1 or 2
 * weights     [ROUND_UP(channels, 2) / 2][words][2][4]
 * y           the outputs of the first column; those of the second lie `stride` bytes behind
 * channels    of this group; bias and multipliers are the group's */
void fleet_patch_products(const int8_t *patch, int32_t columns, int32_t words, const int8_t *weights,
                          const struct fleet_outputs *outputs, int32_t channels, int8_t *y, int32_t stride);

/* Fills bytes, and copies them. */
static inline void fleet_fill(int8_t *to, int32_t value, int32_t count)
{
    for (int32_t i = 0; i < count; ++i) {
        to[i] = (int8_t)value;
    }
}

static inline void fleet_take(int8_t *to, const int8_t *from, int32_t count)
{
    for (; count >= 4; count -= 4) {
        const uint32_t word = fleet_load4(from);
        __builtin_memcpy(to, &word, sizeof word);
        to += 4;
        from += 4;
    }
    for (; count > 0; --count) {
        *to++ = *from++;
    }
}

#endif

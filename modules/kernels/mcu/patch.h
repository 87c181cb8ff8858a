/* Two outputs at a time, two channels at a time: what convolutions and products share.
 *
 * A patch holds the activations of one or two outputs, its columns, widened once to int16 and read by all channels: for every four
 * activations of a column a word with elements 0 and 2 and one with 1 and 3; of two columns alternately.
 *
 *   one column    [words] of {even, odd}
 *   two columns   [words] of {even, odd of the first; even, odd of the second} */
#ifndef FLEET_MCU_PATCH_H
#define FLEET_MCU_PATCH_H

#include <stdint.h>

#include "mcu/dot.h"

/* Bytes of a patch of two columns, and of one column's activations before they are widened: the scratch of these kernels. */
#define FLEET_PATCH_BYTES(words) (16 * (words))
#define FLEET_COLUMN_BYTES(words) (4 * (words))

/* How sums become outputs. */
struct fleet_outputs {
    const int32_t *bias;
    const float *multipliers;
    int32_t zero_point, lo, hi;
};

/* weights     [ROUND_UP(channels, 2) / 2][words][2][4]
 * y           the outputs of the first column; those of the second lie `stride` bytes behind
 * channels    of this group; bias and multipliers are the group's */
void fleet_patch_products(const uint32_t *patch, int32_t columns, int32_t words, const int8_t *weights,
                          const struct fleet_outputs *outputs, int32_t channels, int8_t *y, int32_t stride);

/* Widens 4·words activations into a column of a patch. */
void fleet_widen(const int8_t *from, int32_t words, uint32_t *patch, int32_t column, int32_t columns);

/* Whether all positions of a window along one side lie inside. */
static inline _Bool fleet_is_inside(int32_t first, int32_t kernel, int32_t dilation, int32_t extent)
{
    return first >= 0 && first + (kernel - 1) * dilation < extent;
}

static inline void fleet_fill(int8_t *to, int32_t value, int32_t count)
{
    const uint32_t four = (uint8_t)value * 0x01010101u;
    for (; count >= 4; count -= 4) {
        __builtin_memcpy(to, &four, sizeof four);
        to += 4;
    }
    for (; count > 0; --count) {
        *to++ = (int8_t)value;
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

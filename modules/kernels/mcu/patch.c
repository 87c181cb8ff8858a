#include "mcu/patch.h"

#ifdef __ARM_FEATURE_DSP
/* r4 to r7: sums of both channels of the first column, and of the second. Four words are one instruction, and so are two: LDM takes
 * registers in order, so they are named. */
#define LOOP_OF_TWO_COLUMNS \
    "0:  ldmia %[patch]!, {r8, r9, r10, r11}\n"        \
    "    ldrd  r12, lr, [%[w]], #8\n"                  \
    "    sxtb16 r3, r12\n"                             \
    "    sxtb16 r12, r12, ror #8\n"                    \
    "    smlad r4, r8, r3, r4\n"                       \
    "    smlad r6, r10, r3, r6\n"                      \
    "    sxtb16 r3, lr\n"                              \
    "    smlad r4, r9, r12, r4\n"                      \
    "    smlad r6, r11, r12, r6\n"                     \
    "    sxtb16 lr, lr, ror #8\n"                      \
    "    smlad r5, r8, r3, r5\n"                       \
    "    smlad r7, r10, r3, r7\n"                      \
    "    smlad r5, r9, lr, r5\n"                       \
    "    smlad r7, r11, lr, r7\n"                      \
    "    cmp   %[patch], %[end]\n"                     \
    "    bne   0b\n"
#endif

/* Each pair of weights meets two columns: sixteen instructions for sixteen products. */
static __attribute__((noinline)) const int8_t *two_columns(const uint32_t *patch, int32_t words, const int8_t *w, int32_t sums[4])
{
#ifdef __ARM_FEATURE_DSP
    const uint32_t *const end = patch + 4 * words;
    __asm__ volatile("    ldr   r3, %[sums]\n"
            "    ldmia r3, {r4, r5, r6, r7}\n" LOOP_OF_TWO_COLUMNS
            "    ldr   r3, %[sums]\n"
            "    stmia r3, {r4, r5, r6, r7}\n"
            : [patch] "+r"(patch), [w] "+r"(w)
            : [end] "r"(end), [sums] "m"(sums)
            : "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory");
#else
    for (int32_t i = 0; i < words; ++i, patch += 4, w += 8) {
        const uint32_t w4 = fleet_load4(w), v4 = fleet_load4(w + 4);
        const uint32_t w_even = fleet_even(w4), w_odd = fleet_odd(w4), v_even = fleet_even(v4), v_odd = fleet_odd(v4);
        sums[0] = fleet_dot2(patch[1], w_odd, fleet_dot2(patch[0], w_even, sums[0]));
        sums[1] = fleet_dot2(patch[1], v_odd, fleet_dot2(patch[0], v_even, sums[1]));
        sums[2] = fleet_dot2(patch[3], w_odd, fleet_dot2(patch[2], w_even, sums[2]));
        sums[3] = fleet_dot2(patch[3], v_odd, fleet_dot2(patch[2], v_even, sums[3]));
    }
#endif
    return w;
}

static __attribute__((noinline)) const int8_t *one_column(const uint32_t *patch, int32_t words, const int8_t *w, int32_t sums[2])
{
    int32_t s0 = sums[0], s1 = sums[1];
#ifdef __ARM_FEATURE_DSP
    const uint32_t *const end = patch + words / 2 * 4;
    __asm__ volatile("    b     1f\n"
            "0:  ldmia %[patch]!, {r4, r5, r6, r8}\n"
            "    ldmia %[w]!, {r9, r10, r11, r12}\n"
            "    sxtb16 lr, r9\n"
            "    smlad %[s0], r4, lr, %[s0]\n"
            "    sxtb16 r9, r9, ror #8\n"
            "    smlad %[s0], r5, r9, %[s0]\n"
            "    sxtb16 lr, r10\n"
            "    smlad %[s1], r4, lr, %[s1]\n"
            "    sxtb16 r10, r10, ror #8\n"
            "    smlad %[s1], r5, r10, %[s1]\n"
            "    sxtb16 lr, r11\n"
            "    smlad %[s0], r6, lr, %[s0]\n"
            "    sxtb16 r11, r11, ror #8\n"
            "    smlad %[s0], r8, r11, %[s0]\n"
            "    sxtb16 lr, r12\n"
            "    smlad %[s1], r6, lr, %[s1]\n"
            "    sxtb16 r12, r12, ror #8\n"
            "    smlad %[s1], r8, r12, %[s1]\n"
            "1:  cmp   %[patch], %[end]\n"
            "    bne   0b\n"
            : [patch] "+r"(patch), [w] "+r"(w), [s0] "+r"(s0), [s1] "+r"(s1)
            : [end] "r"(end)
            : "r4", "r5", "r6", "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory");
    words %= 2;
#endif
    for (int32_t i = 0; i < words; ++i, patch += 2, w += 8) {
        const uint32_t w4 = fleet_load4(w), v4 = fleet_load4(w + 4);
        s0 = fleet_dot2(patch[1], fleet_odd(w4), fleet_dot2(patch[0], fleet_even(w4), s0));
        s1 = fleet_dot2(patch[1], fleet_odd(v4), fleet_dot2(patch[0], fleet_even(v4), s1));
    }
    sums[0] = s0;
    sums[1] = s1;
    return w;
}

void fleet_widen(const int8_t *from, int32_t words, uint32_t *patch, int32_t column, int32_t columns)
{
    patch += 2 * column;
    for (int32_t i = 0; i < words; ++i, from += 4, patch += 2 * columns) {
        const uint32_t four = fleet_load4(from);
        patch[0] = fleet_even(four);
        patch[1] = fleet_odd(four);
    }
}

#if defined(__ARM_FP) && defined(__ARM_FEATURE_DSP)
#define FLEET_PAIRS 1
/* The whole way of pairs of channels of two columns, from bias to output: two_columns and fleet_requantize4 in one, so that nothing
 * between them goes through memory. Gives the weights behind. */
static __attribute__((noinline)) const int8_t *pairs_of_two_columns(const uint32_t *patch, int32_t words, const int8_t *w,
                                                                    const struct fleet_outputs *outputs, int32_t pairs, int8_t *y,
                                                                    int32_t stride)
{
    const uint32_t *const begin = patch, *const end = patch + 4 * words;
    const int32_t *bias = outputs->bias;
    const float *multipliers = outputs->multipliers;
    const int32_t zero_point = outputs->zero_point;
    for (; pairs > 0; --pairs) {
        patch = begin;
        __asm__ volatile("    ldr   r3, %[bias]\n"
                         "    ldrd  r4, r5, [r3], #8\n"
                         "    str   r3, %[bias]\n"
                         "    mov   r6, r4\n"
                         "    mov   r7, r5\n" LOOP_OF_TWO_COLUMNS
                         "    vmov  s0, s1, r4, r5\n"
                         "    vmov  s2, s3, r6, r7\n"
                         "    ldr   r3, %[multipliers]\n"
                         "    vldmia r3!, {s4, s5}\n"
                         "    str   r3, %[multipliers]\n"
                         "    vcvt.f32.s32 s0, s0\n"
                         "    vcvt.f32.s32 s1, s1\n"
                         "    vcvt.f32.s32 s2, s2\n"
                         "    vcvt.f32.s32 s3, s3\n"
                         "    vmul.f32 s0, s0, s4\n"
                         "    vmul.f32 s1, s1, s5\n"
                         "    vmul.f32 s2, s2, s4\n"
                         "    vmul.f32 s3, s3, s5\n" FLEET_ROUND_FOUR
                         "    bfi   r4, r5, #8, #8\n"
                         "    bfi   r6, r7, #8, #8\n"
                         "    ldr   r3, %[y]\n"
                         "    ldr   r5, %[stride]\n"
                         "    strh  r6, [r3, r5]\n"
                         "    strh  r4, [r3], #2\n"
                         "    str   r3, %[y]\n"
                         : [patch] "+r"(patch), [w] "+r"(w), [bias] "+m"(bias), [multipliers] "+m"(multipliers), [y] "+m"(y)
                         : [end] "r"(end), [zero_point] "m"(zero_point), [stride] "m"(stride)
                         : "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "s0", "s1", "s2", "s3", "s4", "s5",
                           "cc", "memory");
    }
    return w;
}
#endif

static inline void store_two(int8_t *y, uint32_t two)
{
    const uint16_t half = (uint16_t)two;
    __builtin_memcpy(y, &half, sizeof half);
}

void fleet_patch_products(const uint32_t *patch, int32_t columns, int32_t words, const int8_t *weights,
                          const struct fleet_outputs *outputs, int32_t channels, int8_t *y, int32_t stride)
{
    const int32_t *bias = outputs->bias;
    const float *multipliers = outputs->multipliers;
    const struct fleet_rounding r = fleet_rounding(outputs->zero_point, outputs->lo, outputs->hi);
    int32_t channel = 0;
#ifdef FLEET_PAIRS
    if (columns == 2 && !r.narrow) {
        weights = pairs_of_two_columns(patch, words, weights, outputs, channels / 2, y, stride);
        channel = channels / 2 * 2;
        bias += channel;
        multipliers += channel;
        y += channel;
    }
#endif
    for (; channel + 1 < channels; channel += 2) {
        int32_t sums[4] = {bias[0], bias[1], bias[0], bias[1]};
        if (columns == 2) {
            const float both[4] = {multipliers[0], multipliers[1], multipliers[0], multipliers[1]};
            weights = two_columns(patch, words, weights, sums);
            const uint32_t four = fleet_requantize4(sums, both, r);
            store_two(y, four);
            store_two(y + stride, four >> 16);
        } else {
            weights = one_column(patch, words, weights, sums);
            y[0] = fleet_requantize(sums[0], multipliers[0], r);
            y[1] = fleet_requantize(sums[1], multipliers[1], r);
        }
        bias += 2;
        multipliers += 2;
        y += 2;
    }
    if (channel < channels) {
        int32_t sums[4] = {*bias, 0, *bias, 0};
        if (columns == 2) {
            (void)two_columns(patch, words, weights, sums);
            y[stride] = fleet_requantize(sums[2], *multipliers, r);
        } else {
            (void)one_column(patch, words, weights, sums);
        }
        *y = fleet_requantize(sums[0], *multipliers, r);
    }
}

#include "common/window.h"
#include "fleet_kernels.h"
#include "mcu/patch.h"

/* One tap of four channels: elements 0 and 2, and 1 and 3, of activations and weights. */
#define TAP(place)                              \
    "    ldr " place ", [%[x], " place "]\n"    \
    "    ldr lr, [%[w]], #4\n"                  \
    "    sxtb16 r3, " place "\n"                \
    "    sxtb16 r12, lr\n"                      \
    "    sxtb16 " place ", " place ", ror #8\n" \
    "    sxtb16 lr, lr, ror #8\n"               \
    "    smlabb r4, r3, r12, r4\n"              \
    "    smlabb r5, " place ", lr, r5\n"        \
    "    smlatt r6, r3, r12, r6\n"              \
    "    smlatt r7, " place ", lr, r7\n"

/* Three taps at a time: their places are one instruction, and kernels are often as wide. r4 to r7: sums of four channels. */
#define LOOP_OF_TAPS                                                    \
    "    b     1f\n"                                                    \
    "0:  ldmia %[place]!, {r8, r9, r10}\n" TAP("r8") TAP("r9") TAP("r10") \
    "1:  ldr   r3, %[threes]\n"                                         \
    "    cmp   %[place], r3\n"                                          \
    "    bne   0b\n"                                                    \
    "    b     3f\n"                                                    \
    "2:  ldr   r8, [%[place]], #4\n" TAP("r8")                          \
    "3:  ldr   r3, %[end]\n"                                            \
    "    cmp   %[place], r3\n"                                          \
    "    bne   2b\n"

/* Four channels of all taps. `places` says where each tap lies, from x. */
static __attribute__((noinline)) void four_channels(const int8_t *x, const int32_t *places, int32_t taps, const int8_t *weights,
                                                    int32_t sums[4])
{
#ifdef __ARM_FEATURE_DSP
    const int32_t *const threes = places + taps / 3 * 3, *const end = places + taps;
    __asm__ volatile("    ldr   r3, %[sums]\n"
                     "    ldmia r3, {r4, r5, r6, r7}\n" LOOP_OF_TAPS
                     "    ldr   r3, %[sums]\n"
                     "    stmia r3, {r4, r5, r6, r7}\n"
                     : [place] "+r"(places), [w] "+r"(weights)
                     : [x] "r"(x), [threes] "m"(threes), [end] "m"(end), [sums] "m"(sums)
                     : "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r12", "lr", "cc", "memory");
#else
    for (int32_t tap = 0; tap < taps; ++tap) {
        const uint32_t a = fleet_load4(x + places[tap]), w = fleet_load4(weights + 4 * tap);
        const uint32_t a_even = fleet_even(a), w_even = fleet_even(w), a_odd = fleet_odd(a), w_odd = fleet_odd(w);
        sums[0] = fleet_low(a_even, w_even, sums[0]);
        sums[1] = fleet_low(a_odd, w_odd, sums[1]);
        sums[2] = fleet_high(a_even, w_even, sums[2]);
        sums[3] = fleet_high(a_odd, w_odd, sums[3]);
    }
#endif
}

#if defined(__ARM_FP) && defined(__ARM_FEATURE_DSP)
#define FLEET_FOURS 1
/* The whole way of the first 4·fours channels, from bias to output: nothing goes through memory in between. */
static __attribute__((noinline)) void fours_of_channels(const int8_t *x, const int32_t *places, int32_t taps, const int8_t *weights,
                                                        const struct fleet_outputs *outputs, int32_t fours, int8_t *y)
{
    const int32_t *const threes = places + taps / 3 * 3, *const end = places + taps;
    const int32_t *bias = outputs->bias;
    const float *multipliers = outputs->multipliers;
    const int32_t zero_point = outputs->zero_point;
    for (; fours > 0; --fours, x += 4) {
        const int32_t *place = places;
        __asm__ volatile("    ldr   r3, %[bias]\n"
                         "    ldmia r3!, {r4, r5, r6, r7}\n"
                         "    str   r3, %[bias]\n" LOOP_OF_TAPS
                         "    vmov  s0, s1, r4, r5\n"
                         "    vmov  s2, s3, r6, r7\n"
                         "    ldr   r3, %[multipliers]\n"
                         "    vldmia r3!, {s4, s5, s6, s7}\n"
                         "    str   r3, %[multipliers]\n"
                         "    vcvt.f32.s32 s0, s0\n"
                         "    vcvt.f32.s32 s1, s1\n"
                         "    vcvt.f32.s32 s2, s2\n"
                         "    vcvt.f32.s32 s3, s3\n"
                         "    vmul.f32 s0, s0, s4\n"
                         "    vmul.f32 s1, s1, s5\n"
                         "    vmul.f32 s2, s2, s6\n"
                         "    vmul.f32 s3, s3, s7\n" FLEET_ROUND_FOUR
                         "    bfi   r4, r5, #8, #8\n"
                         "    bfi   r4, r6, #16, #8\n"
                         "    bfi   r4, r7, #24, #8\n"
                         "    ldr   r3, %[y]\n"
                         "    str   r4, [r3], #4\n"
                         "    str   r3, %[y]\n"
                         : [place] "+r"(place), [w] "+r"(weights), [bias] "+m"(bias), [multipliers] "+m"(multipliers), [y] "+m"(y)
                         : [x] "r"(x), [threes] "m"(threes), [end] "m"(end), [zero_point] "m"(zero_point)
                         : "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r12", "lr", "s0", "s1", "s2", "s3", "s4", "s5", "s6",
                           "s7", "cc", "memory");
    }
}
#endif

/* The last channels, if they are no four: reading four would read beyond the input. */
static void few_channels(const int8_t *x, const int32_t *places, int32_t taps, const int8_t *weights, int32_t count, int32_t sums[4])
{
    for (int32_t tap = 0; tap < taps; ++tap) {
        for (int32_t c = 0; c < count; ++c) {
            sums[c] += x[places[tap] + c] * weights[4 * tap + c];
        }
    }
}

/* What is the same for all outputs. */
struct depthwise {
    struct fleet_outputs outputs;
    struct fleet_rounding rounding;
    const int8_t *weights;
    int32_t channels, taps;
};

/* All channels of one output. */
static void one_output(const struct depthwise *d, const int8_t *x, const int32_t *places, int8_t *y)
{
    const int32_t *const bias = d->outputs.bias;
    const float *const multipliers = d->outputs.multipliers;
    int32_t c = 0;
#ifdef FLEET_FOURS
    if (!d->rounding.narrow) {
        fours_of_channels(x, places, d->taps, d->weights, &d->outputs, d->channels / 4, y);
        c = d->channels / 4 * 4;
    }
#endif
    for (; c + 4 <= d->channels; c += 4) {
        int32_t sums[4] = {bias[c], bias[c + 1], bias[c + 2], bias[c + 3]};
        four_channels(x + c, places, d->taps, d->weights + c * d->taps, sums);
        const uint32_t four = fleet_requantize4(sums, multipliers + c, d->rounding);
        __builtin_memcpy(y + c, &four, sizeof four);
    }
    if (c < d->channels) {
        int32_t sums[4] = {0, 0, 0, 0};
        few_channels(x + c, places, d->taps, d->weights + c * d->taps, d->channels - c, sums);
        for (int32_t k = 0; c < d->channels; ++c, ++k) {
            y[c] = fleet_requantize(sums[k] + bias[c], multipliers[c], d->rounding);
        }
    }
}

/* Where the taps of a window at (top, left) lie, from the image on; those outside lie in a line of zero points. */
static void find_places(const struct fleet_window *w, int32_t top, int32_t left, int32_t outside, int32_t *places)
{
    for (int32_t kh = 0; kh < w->kernel_h; ++kh) {
        const int32_t ih = top + kh * w->dilation_h;
        for (int32_t kw = 0; kw < w->kernel_w; ++kw) {
            const int32_t iw = left + kw * w->dilation_w;
            const _Bool inside = ih >= 0 && ih < w->in_h && iw >= 0 && iw < w->in_w;
            *places++ = inside ? (ih * w->in_w + iw) * w->in_c : outside;
        }
    }
}

void fleet_depthwise_conv_s8(const struct fleet_conv_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                             const float *multipliers, int8_t *y, void *scratch)
{
    const struct fleet_window *w = &p->window;
    const int32_t lines = w->batch * w->out_h, taps = w->kernel_h * w->kernel_w;
    const struct depthwise d = {{bias, multipliers, p->out_zero_point, p->out_min, p->out_max},
                                fleet_rounding(p->out_zero_point, p->out_min, p->out_max), weights, w->out_c, taps};
    int8_t *const outside = scratch;
    int32_t *const border = (int32_t *)(void *)(outside + FLEET_ROUND_UP(w->out_c, 4)), *const inner = border + taps;
    fleet_fill(outside, p->in_zero_point, w->out_c);
    /* Windows inside the input differ by where they begin only. */
    for (int32_t tap = 0; tap < taps; ++tap) {
        const int32_t kh = tap / w->kernel_w, kw = tap % w->kernel_w;
        inner[tap] = (kh * w->dilation_h * w->in_w + kw * w->dilation_w) * w->in_c;
    }
    for (int32_t i = 0; i < lines; ++i) {
        const int32_t line = p->backwards ? lines - 1 - i : i;
        const int8_t *const image = x + line / w->out_h * w->in_h * w->in_w * w->in_c;
        const int32_t top = line % w->out_h * w->stride_h - w->pad_top;
        const _Bool rows_inside = fleet_is_inside(top, w->kernel_h, w->dilation_h, w->in_h);
        for (int32_t j = 0; j < w->out_w; ++j) {
            const int32_t ow = p->backwards ? w->out_w - 1 - j : j;
            const int32_t left = ow * w->stride_w - w->pad_left;
            int8_t *const out = y + (line * w->out_w + ow) * w->out_c;
            if (rows_inside && fleet_is_inside(left, w->kernel_w, w->dilation_w, w->in_w)) {
                one_output(&d, image + (top * w->in_w + left) * w->in_c, inner, out);
            } else {
                find_places(w, top, left, (int32_t)(outside - image), border);
                one_output(&d, image, border, out);
            }
        }
    }
}

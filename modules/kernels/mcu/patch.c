#include "mcu/patch.h"

static inline void store(const struct fleet_outputs *o, int32_t channel, int32_t acc, int8_t *y)
{
    *y = fleet_requantize(acc, o->multipliers[channel], o->zero_point, o->lo, o->hi);
}

/* Each word of activations meets two channels, each word of weights two columns: four loads for sixteen products. */
static const int8_t *two_columns(const int8_t *a, const int8_t *b, const int8_t *w, int32_t words, int32_t sums[4])
{
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    const int8_t *const end = a + 4 * words;
    while (a < end) {
        const uint32_t a4 = fleet_load4(a), b4 = fleet_load4(b);
        const uint32_t w4 = fleet_load4(w), v4 = fleet_load4(w + 4);
        a += 4;
        b += 4;
        w += 8;
        const uint32_t a_even = fleet_even(a4), a_odd = fleet_odd(a4), b_even = fleet_even(b4), b_odd = fleet_odd(b4);
        const uint32_t w_even = fleet_even(w4), w_odd = fleet_odd(w4);
        s0 = fleet_dot2(a_odd, w_odd, fleet_dot2(a_even, w_even, s0));
        s2 = fleet_dot2(b_odd, w_odd, fleet_dot2(b_even, w_even, s2));
        const uint32_t v_even = fleet_even(v4), v_odd = fleet_odd(v4);
        s1 = fleet_dot2(a_odd, v_odd, fleet_dot2(a_even, v_even, s1));
        s3 = fleet_dot2(b_odd, v_odd, fleet_dot2(b_even, v_even, s3));
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
    return w;
}

static const int8_t *one_column(const int8_t *a, const int8_t *w, int32_t words, int32_t sums[2])
{
    int32_t s0 = sums[0], s1 = sums[1];
    const int8_t *const end = a + 4 * words;
    while (a < end) {
        const uint32_t a4 = fleet_load4(a);
        const uint32_t w4 = fleet_load4(w), v4 = fleet_load4(w + 4);
        a += 4;
        w += 8;
        const uint32_t a_even = fleet_even(a4), a_odd = fleet_odd(a4);
        s0 = fleet_dot2(a_odd, fleet_odd(w4), fleet_dot2(a_even, fleet_even(w4), s0));
        s1 = fleet_dot2(a_odd, fleet_odd(v4), fleet_dot2(a_even, fleet_even(v4), s1));
    }
    sums[0] = s0;
    sums[1] = s1;
    return w;
}

void fleet_patch_products(const int8_t *patch, int32_t columns, int32_t words, const int8_t *weights,
                          const struct fleet_outputs *o, int32_t channels, int8_t *y, int32_t stride)
{
    for (int32_t channel = 0; channel < channels; channel += 2) {
        const int32_t last = channel + 1 < channels ? channel + 1 : channel;
        int32_t sums[4] = {o->bias[channel], o->bias[last], o->bias[channel], o->bias[last]};
        if (columns == 2) {
            weights = two_columns(patch, patch + 4 * words, weights, words, sums);
            store(o, channel, sums[2], y + stride + channel);
        } else {
            weights = one_column(patch, weights, words, sums);
        }
        store(o, channel, sums[0], y + channel);
        if (last > channel) {
            store(o, last, sums[1], y + last);
            if (columns == 2) {
                store(o, last, sums[3], y + stride + last);
            }
        }
    }
}

/* What LSTM, GRU and RNN share: one direction over [steps, batch, …], the products with the input already in `gates`.
 *   FLEET_X          float or double
 *   FLEET_PRODUCT    name for the product with the recurrent weights
 *   FLEET_F(v, i), FLEET_G(v, i), FLEET_H(v, i)
 *                    the activations: expressions of one FLEET_X; they may read p->alpha[i] and p->beta[i] */
#include "general/scalar.h"

#ifndef FLEET_GENERAL_RECURRENT_H
#define FLEET_GENERAL_RECURRENT_H
struct fleet_recurrent {
    int32_t steps, batch, hidden;
    int32_t reverse;
    /* LSTM: the forget gate is what the input gate leaves. */
    int32_t input_forget;
    float clip;
    float alpha[3], beta[3];
};

/* How many steps a sequence has. */
static inline int32_t fleet_sequence_length(const struct fleet_recurrent *p, int32_t length)
{
    return length < 0 ? 0 : length > p->steps ? p->steps : length;
}

static inline int32_t fleet_sequence_place(const struct fleet_recurrent *p, int32_t length, int32_t n, int32_t b)
{
    return (p->reverse ? length - 1 - n : n) * p->batch + b;
}
#endif

#define FLEET_UNIT(v) ((v) < 0 ? 0 : 1 < (v) ? 1 : (v))

/* The bounds of what an activation is applied to. */
#define FLEET_CLIP(v) \
    ((v) < -(FLEET_X)p->clip ? -(FLEET_X)p->clip : (FLEET_X)p->clip < (v) ? (FLEET_X)p->clip : (v))

/* acc[j] = acc[j] + h[k] · r[k, j], k = 0, 1, …, for `count` columns of rows that are `stride` long. */
static void FLEET_PRODUCT(FLEET_X *acc, const FLEET_X *h, const FLEET_X *r, int32_t size, int32_t stride, int32_t count)
{
    typedef FLEET_X vector __attribute__((vector_size(16), aligned(sizeof(FLEET_X)), may_alias));
    const int32_t lanes = (int32_t)(sizeof(vector) / sizeof(FLEET_X));
    int32_t j = 0;
    for (; j + 4 * lanes <= count; j += 4 * lanes) {
        vector s0 = *(const vector *)(acc + j);
        vector s1 = *(const vector *)(acc + j + lanes);
        vector s2 = *(const vector *)(acc + j + 2 * lanes);
        vector s3 = *(const vector *)(acc + j + 3 * lanes);
        const FLEET_X *row = r + j;
        for (int32_t k = 0; k < size; ++k, row += stride) {
            s0 = s0 + h[k] * *(const vector *)row;
            s1 = s1 + h[k] * *(const vector *)(row + lanes);
            s2 = s2 + h[k] * *(const vector *)(row + 2 * lanes);
            s3 = s3 + h[k] * *(const vector *)(row + 3 * lanes);
        }
        *(vector *)(acc + j) = s0;
        *(vector *)(acc + j + lanes) = s1;
        *(vector *)(acc + j + 2 * lanes) = s2;
        *(vector *)(acc + j + 3 * lanes) = s3;
    }
    for (; j + lanes <= count; j += lanes) {
        vector sum = *(const vector *)(acc + j);
        for (int32_t k = 0; k < size; ++k) {
            sum = sum + h[k] * *(const vector *)(r + k * stride + j);
        }
        *(vector *)(acc + j) = sum;
    }
    for (; j < count; ++j) {
        FLEET_X sum = acc[j];
        for (int32_t k = 0; k < size; ++k) {
            sum = sum + h[k] * r[k * stride + j];
        }
        acc[j] = sum;
    }
}

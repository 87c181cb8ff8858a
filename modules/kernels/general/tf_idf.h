/* TfIdfVectorizer: how often each n-gram stands in a row, with gaps of 0 … skips elements between its members.
 *   FLEET_X           type of the elements
 *   FLEET_LAST(n, w)  the result for a count and a weight
 * grams: [count][3] size, first element in the pool, column of y. An n-gram of one element has no gaps. */
#include <stdbool.h>
#include <stdint.h>

#ifndef FLEET_GENERAL_TF_IDF_H
#define FLEET_GENERAL_TF_IDF_H
struct fleet_tf_idf {
    int32_t rows, length, grams, skips, columns;
};
#endif

static void FLEET_KERNEL(const struct fleet_tf_idf *p, const FLEET_X *x, const int32_t *grams, const int64_t *pool,
                         const float *weights, float *y)
{
    for (int32_t r = 0; r < p->rows; ++r, x += p->length, y += p->columns) {
        for (int32_t c = 0; c < p->columns; ++c) {
            y[c] = 0.0f;
        }
        for (int32_t g = 0; g < p->grams; ++g) {
            const int32_t size = grams[3 * g];
            const int64_t *members = pool + grams[3 * g + 1];
            for (int32_t step = 1; step <= (size == 1 ? 1 : p->skips + 1); ++step) {
                for (int32_t start = 0; start < p->length - step * (size - 1); ++start) {
                    bool same = true;
                    for (int32_t k = 0; same && k < size; ++k) {
                        same = (int64_t)x[start + k * step] == members[k];
                    }
                    y[grams[3 * g + 2]] += same ? 1.0f : 0.0f;
                }
            }
        }
        for (int32_t c = 0; c < p->columns; ++c) {
            y[c] = FLEET_LAST(y[c], weights[c]);
        }
    }
}

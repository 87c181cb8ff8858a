/* GRU: macros as in recurrent.h, and
 *   FLEET_RESET_AFTER   0, or 1: the reset gate is applied after the product (ONNX's linear_before_reset), which has a
 *                       bias of its own
 * Gates lie in ONNX's order: update, reset, hidden. */
#include "general/recurrent.h"

static void FLEET_KERNEL(const struct fleet_recurrent *p, const FLEET_X *gates, const FLEET_X *r, const FLEET_X *h0,
                         const int32_t *lengths,
#if FLEET_RESET_AFTER
                         const FLEET_X *bias,
#endif
                         FLEET_X *y, FLEET_X *h, FLEET_X *acc)
{
    const int32_t size = p->hidden;
    const int32_t width = 3 * size;
    FLEET_X *const kept = acc + width;
    for (int32_t i = 0; i < p->batch * size; ++i) {
        h[i] = h0[i];
    }
    for (int32_t i = 0; i < p->steps * p->batch * size; ++i) {
        y[i] = 0;
    }
    for (int32_t b = 0; b < p->batch; ++b, h += size) {
        const int32_t length = fleet_sequence_length(p, lengths[b]);
        for (int32_t n = 0; n < length; ++n) {
            const int32_t place = fleet_sequence_place(p, length, n, b);
            const FLEET_X *const now = gates + place * width;
            for (int32_t j = 0; j < 2 * size; ++j) {
                acc[j] = now[j];
            }
#if FLEET_RESET_AFTER
            for (int32_t j = 0; j < size; ++j) {
                acc[2 * size + j] = bias[j];
            }
            FLEET_PRODUCT(acc, h, r, size, width, width);
#else
            FLEET_PRODUCT(acc, h, r, size, width, 2 * size);
#endif
            for (int32_t j = 0; j < 2 * size; ++j) {
                acc[j] = FLEET_CLIP(acc[j]);
                acc[j] = FLEET_F(acc[j], 0);
            }
#if FLEET_RESET_AFTER
            for (int32_t j = 0; j < size; ++j) {
                acc[2 * size + j] = now[2 * size + j] + acc[size + j] * acc[2 * size + j];
            }
#else
            for (int32_t j = 0; j < size; ++j) {
                kept[j] = acc[size + j] * h[j];
                acc[2 * size + j] = now[2 * size + j];
            }
            FLEET_PRODUCT(acc + 2 * size, kept, r + 2 * size, size, width, size);
#endif
            for (int32_t j = 0; j < size; ++j) {
                FLEET_X hidden = FLEET_CLIP(acc[2 * size + j]);
                hidden = FLEET_G(hidden, 1);
                h[j] = (1 - acc[j]) * hidden + acc[j] * h[j];
                y[place * size + j] = h[j];
            }
        }
    }
    (void)kept;
}

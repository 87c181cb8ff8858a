/* RNN: macros as in recurrent.h. */
#include "general/recurrent.h"

static void FLEET_KERNEL(const struct fleet_recurrent *p, const FLEET_X *gates, const FLEET_X *r, const FLEET_X *h0,
                         const int32_t *lengths, FLEET_X *y, FLEET_X *h, FLEET_X *acc)
{
    const int32_t size = p->hidden;
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
            for (int32_t j = 0; j < size; ++j) {
                acc[j] = gates[place * size + j];
            }
            FLEET_PRODUCT(acc, h, r, size, size, size);
            for (int32_t j = 0; j < size; ++j) {
                FLEET_X hidden = FLEET_CLIP(acc[j]);
                hidden = FLEET_F(hidden, 0);
                h[j] = hidden;
                y[place * size + j] = hidden;
            }
        }
    }
}

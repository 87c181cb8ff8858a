/* LSTM: macros as in recurrent.h, and
 *   FLEET_PEEPHOLES   0, or 1: gates see the cell, by weights [input, output, forget]
 * Gates lie in ONNX's order: input, output, forget, cell. */
#include "general/recurrent.h"

static void FLEET_KERNEL(const struct fleet_recurrent *p, const FLEET_X *gates, const FLEET_X *r, const FLEET_X *h0,
                         const FLEET_X *c0, const int32_t *lengths,
#if FLEET_PEEPHOLES
                         const FLEET_X *peepholes,
#endif
                         FLEET_X *y, FLEET_X *h, FLEET_X *c, FLEET_X *acc)
{
    const int32_t size = p->hidden;
    const int32_t width = 4 * size;
    for (int32_t i = 0; i < p->batch * size; ++i) {
        h[i] = h0[i];
        c[i] = c0[i];
    }
    for (int32_t i = 0; i < p->steps * p->batch * size; ++i) {
        y[i] = 0;
    }
    for (int32_t b = 0; b < p->batch; ++b, h += size, c += size) {
        const int32_t length = fleet_sequence_length(p, lengths[b]);
        for (int32_t n = 0; n < length; ++n) {
            const int32_t place = fleet_sequence_place(p, length, n, b);
            for (int32_t j = 0; j < width; ++j) {
                acc[j] = gates[place * width + j];
            }
            FLEET_PRODUCT(acc, h, r, size, width, width);
            for (int32_t j = 0; j < size; ++j) {
                FLEET_X input = acc[j];
                FLEET_X output = acc[size + j];
                FLEET_X forget = acc[2 * size + j];
                FLEET_X cell = acc[3 * size + j];
#if FLEET_PEEPHOLES
                input = input + peepholes[j] * c[j];
                forget = forget + peepholes[2 * size + j] * c[j];
#endif
                input = FLEET_CLIP(input);
                input = FLEET_F(input, 0);
                forget = FLEET_CLIP(forget);
                forget = p->input_forget ? 1 - input : FLEET_F(forget, 0);
                cell = FLEET_CLIP(cell);
                cell = FLEET_G(cell, 1);
                cell = forget * c[j] + input * cell;
                c[j] = cell;
#if FLEET_PEEPHOLES
                output = output + peepholes[size + j] * cell;
#endif
                output = FLEET_CLIP(output);
                output = FLEET_F(output, 0);
                h[j] = output * FLEET_H(cell, 2);
                y[place * size + j] = h[j];
            }
        }
    }
}

/* ReverseSequence of [batch, time, inner] or [time, batch, inner]: the first lengths[b] entries of each sequence turned
 * round, the rest as it is.
 *   FLEET_X   type of the elements; only its size matters */
#include <stdint.h>

#ifndef FLEET_GENERAL_REVERSE_SEQUENCE_H
#define FLEET_GENERAL_REVERSE_SEQUENCE_H
struct fleet_reverse_sequence {
    int32_t batch, time, inner;
    int32_t batch_stride, time_stride;
};
#endif

static void FLEET_KERNEL(const struct fleet_reverse_sequence *p, const FLEET_X *x, const int64_t *lengths, FLEET_X *y)
{
    for (int32_t b = 0; b < p->batch; ++b) {
        if (lengths[b] < 0 || lengths[b] > p->time) {
            __builtin_trap();
        }
        for (int32_t t = 0; t < p->time; ++t) {
            const int32_t from = t < lengths[b] ? (int32_t)lengths[b] - 1 - t : t;
            for (int32_t i = 0; i < p->inner; ++i) {
                y[b * p->batch_stride + t * p->time_stride + i] = x[b * p->batch_stride + from * p->time_stride + i];
            }
        }
    }
}

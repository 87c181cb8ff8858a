/* STFT of [batch, samples, parts]: a DFT of each frame, multiplied by a window; frames begin every *step samples.
 *   FLEET_X       float32 or float64
 *   FLEET_STEP    type of the step
 *   FLEET_WINDOW  1: there is a window */
#include "general/turns.h"

#ifndef FLEET_GENERAL_STFT_H
#define FLEET_GENERAL_STFT_H
struct fleet_stft {
    int32_t batch, samples, parts;
    int32_t frames, size, out;
};
#endif

static void FLEET_KERNEL(const struct fleet_stft *p, const FLEET_X *x, const FLEET_STEP *step,
#if FLEET_WINDOW
                         const FLEET_X *window,
#endif
                         FLEET_X *y, double *turns)
{
    fleet_dft_turns(p->size, turns);
    if (*step < 0 || (int64_t)*step * (p->frames - 1) + p->size > p->samples) {
        __builtin_trap();
    }
    for (int32_t b = 0; b < p->batch; ++b) {
        for (int32_t f = 0; f < p->frames; ++f) {
            const FLEET_X *frame = x + (b * p->samples + f * (int32_t)*step) * p->parts;
            for (int32_t k = 0; k < p->out; ++k) {
                double re = 0.0;
                double im = 0.0;
                for (int32_t n = 0; n < p->size; ++n) {
                    const int32_t turn = (int32_t)((int64_t)k * n % p->size);
                    const double c = turns[2 * turn];
                    const double s = -turns[2 * turn + 1];
#if FLEET_WINDOW
                    const double w = (double)window[n];
#else
                    const double w = 1.0;
#endif
                    const double a = (double)frame[n * p->parts] * w;
                    const double d = p->parts == 2 ? (double)frame[n * p->parts + 1] * w : 0.0;
                    re = re + (a * c - d * s);
                    im = im + (a * s + d * c);
                }
                *y++ = (FLEET_X)re;
                *y++ = (FLEET_X)im;
            }
        }
    }
}

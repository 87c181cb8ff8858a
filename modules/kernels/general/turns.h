/* The angles of a Fourier transform. */
#ifndef FLEET_GENERAL_TURNS_H
#define FLEET_GENERAL_TURNS_H

#include "general/functions.h"

/* cos and sin of all multiples of 2π / size. */
static inline void fleet_dft_turns(int32_t size, double *turns)
{
    for (int32_t i = 0; i < size; ++i) {
        const double angle = 4.0 * FLEET_HALF_PI * (double)i / (double)size;
        turns[2 * i] = fleet_cos_f64(angle);
        turns[2 * i + 1] = fleet_sin_f64(angle);
    }
}
#endif

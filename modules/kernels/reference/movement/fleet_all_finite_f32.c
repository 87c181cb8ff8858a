#include "common/numbers.h"
#include "fleet_kernels.h"

int32_t fleet_all_finite_f32(const struct fleet_all_finite_params *p, const float *x)
{
    const int32_t infinity = 0x7F800000;
    int32_t finite = 1;
    for (int32_t i = 0; i < p->count; ++i) {
        finite &= (fleet_bits_of(x[i]) & infinity) != infinity;
    }
    return finite;
}

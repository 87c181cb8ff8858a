#include "fleet_kernels.h"
#include "simd128/common/clip.h"

void fleet_clip_f32(const struct fleet_clip_f32_params *p, const float *x, float *y)
{
    const v128_t lo = wasm_f32x4_splat(p->out_min);
    const v128_t hi = wasm_f32x4_splat(p->out_max);
    for (int32_t i = 0; i < p->count; i += 4) {
        const v128_t v = fleet_load_f32x4(x + i, p->count - i);
        fleet_store_f32x4(y + i, fleet_clip_x4(v, lo, hi), p->count - i);
    }
}

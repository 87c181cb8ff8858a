#include "fleet_kernels.h"
#include "simd128/common/clip.h"
#include "simd128/common/exp.h"

void fleet_sigmoid_f32(const struct fleet_unary_f32_params *p, const float *x, float *y)
{
    const v128_t one = wasm_f32x4_splat(1.0f);
    for (int32_t i = 0; i < p->count; i += 4) {
        const v128_t v = fleet_load_f32x4(x + i, p->count - i);
        fleet_store_f32x4(y + i, wasm_f32x4_div(one, wasm_f32x4_add(one, fleet_exp_x4(wasm_f32x4_neg(v)))), p->count - i);
    }
}

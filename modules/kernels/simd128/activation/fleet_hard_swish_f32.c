#include "fleet_kernels.h"
#include "simd128/common/clip.h"

static v128_t hard_swish_x4(v128_t v)
{
    const v128_t line = wasm_f32x4_add(wasm_f32x4_mul(v, wasm_f32x4_splat(0x1.555556p-3f)), wasm_f32x4_splat(0.5f));
    return wasm_f32x4_mul(v, fleet_clip_x4(line, wasm_f32x4_splat(0.0f), wasm_f32x4_splat(1.0f)));
}

void fleet_hard_swish_f32(const struct fleet_unary_f32_params *p, const float *x, float *y)
{
    for (int32_t i = 0; i < p->count; i += 4) {
        const v128_t v = fleet_load_f32x4(x + i, p->count - i);
        fleet_store_f32x4(y + i, hard_swish_x4(v), p->count - i);
    }
}

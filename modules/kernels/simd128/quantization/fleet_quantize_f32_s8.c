#include "fleet_kernels.h"
#include "simd128/common/clip.h"
#include "simd128/common/requantize.h"

void fleet_quantize_f32_s8(const struct fleet_quantize_params *p, const float *x, int8_t *y)
{
    const struct fleet_to_int8_lanes q = fleet_to_int8_lanes_of(p->zero_point, -128, 127);
    const v128_t scale = wasm_f32x4_splat(p->scale);
    for (int32_t i = 0; i < p->count; i += 4) {
        const v128_t v = wasm_f32x4_div(fleet_load_f32x4(x + i, p->count - i), scale);
        const v128_t bytes = fleet_to_int8_x8(v, v, &q);
        if (p->count - i >= 4) {
            wasm_v128_store32_lane(y + i, bytes, 0);
        } else {
            fleet_store_few(y + i, bytes, p->count - i);
        }
    }
}

#include "common/broadcast.h"
#include "common/numbers.h"
#include "fleet_kernels.h"
#include "simd128/common/clip.h"

static void add_line_f32(const float *a, int32_t a_stride, const float *b, int32_t b_stride, int32_t count, float lo, float hi,
                         float *y)
{
    int32_t i = 0;
    if (a_stride <= 1 && b_stride <= 1) {
        for (; i + 4 <= count; i += 4) {
            const v128_t left = a_stride ? wasm_v128_load(a + i) : wasm_v128_load32_splat(a);
            const v128_t right = b_stride ? wasm_v128_load(b + i) : wasm_v128_load32_splat(b);
            wasm_v128_store(y + i, fleet_clip_x4(wasm_f32x4_add(left, right), wasm_f32x4_splat(lo), wasm_f32x4_splat(hi)));
        }
    }
    for (; i < count; ++i) {
        y[i] = fleet_clip(a[i * a_stride] + b[i * b_stride], lo, hi);
    }
}

void fleet_add_f32(const struct fleet_binary_f32_params *p, const float *a, const float *b, float *y)
{
    const struct fleet_broadcast *shape = &p->broadcast;
    const int32_t inner = shape->rank - 1;
    struct fleet_broadcast_walk at;
    fleet_broadcast_start(&at);
    do {
        add_line_f32(a + at.a, shape->a_stride[inner], b + at.b, shape->b_stride[inner], shape->shape[inner],
                     p->out_min, p->out_max, y);
        y += shape->shape[inner];
    } while (fleet_broadcast_next(shape, &at));
}

#include "common/softmax.h"
#include "fleet_kernels.h"
#include "simd128/common/clip.h"
#include "simd128/common/exp.h"

static void dense_line(const float *x, int32_t length, float *y)
{
    v128_t maxima = wasm_f32x4_splat(-__builtin_inff());
    float largest = -__builtin_inff();
    int32_t i = 0;
    for (; i + 4 <= length; i += 4) {
        maxima = wasm_f32x4_pmax(maxima, wasm_v128_load(x + i));
    }
    for (; i < length; ++i) {
        largest = fleet_max(largest, x[i]);
    }
    largest = fleet_max(largest, wasm_f32x4_extract_lane(maxima, 0));
    largest = fleet_max(largest, wasm_f32x4_extract_lane(maxima, 1));
    largest = fleet_max(largest, wasm_f32x4_extract_lane(maxima, 2));
    largest = fleet_max(largest, wasm_f32x4_extract_lane(maxima, 3));

    const v128_t shift = wasm_f32x4_splat(largest);
    v128_t sums = wasm_f32x4_splat(0.0f);
    for (i = 0; i + 4 <= length; i += 4) {
        const v128_t e = fleet_exp_x4(wasm_f32x4_sub(wasm_v128_load(x + i), shift));
        sums = wasm_f32x4_add(sums, e);
        wasm_v128_store(y + i, e);
    }
    struct fleet_sum4 sum;
    wasm_v128_store(sum.lane, sums);
    for (; i < length; ++i) {
        y[i] = fleet_exp(x[i] - largest);
        fleet_sum4_add(&sum, i, y[i]);
    }
    const v128_t total = wasm_f32x4_splat(fleet_sum4_total(&sum));
    for (i = 0; i < length; i += 4) {
        fleet_store_f32x4(y + i, wasm_f32x4_div(fleet_load_f32x4(y + i, length - i), total), length - i);
    }
}

void fleet_softmax_f32(const struct fleet_softmax_f32_params *p, const float *x, float *y)
{
    for (int32_t outer = 0; outer < p->outer; ++outer) {
        if (p->inner == 1) {
            dense_line(x, p->length, y);
        } else {
            for (int32_t inner = 0; inner < p->inner; ++inner) {
                fleet_softmax_line(x + inner, p->length, p->inner, y + inner);
            }
        }
        x += p->length * p->inner;
        y += p->length * p->inner;
    }
}

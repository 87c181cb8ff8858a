#include "fleet_kernels.h"
#include "simd128/common/clip.h"
#include "simd128/common/unroll.h"

#define MAX_VECTORS 4

/* Two rows times `vectors` vectors of four columns; of the last vector only `count` columns exist. */
static inline __attribute__((always_inline)) void product_tile(const struct fleet_matmul_f32_params *p, const float *a0,
                                                               const float *a1, const float *b, const float *bias, int32_t count,
                                                               float *y0, float *y1, int32_t vectors)
{
    v128_t sum0[MAX_VECTORS];
    v128_t sum1[MAX_VECTORS];
    FLEET_UNROLL
    for (int32_t v = 0; v < vectors; ++v) {
        sum0[v] = p->bias_stride ? fleet_load_f32x4(bias + 4 * v, count - 4 * v) : wasm_v128_load32_splat(bias);
        sum1[v] = sum0[v];
    }
    for (int32_t k = 0; k < p->depth; ++k) {
        const v128_t value0 = wasm_v128_load32_splat(a0 + k);
        const v128_t value1 = wasm_v128_load32_splat(a1 + k);
        FLEET_UNROLL
        for (int32_t v = 0; v < vectors; ++v) {
            const v128_t weight = vectors == MAX_VECTORS ? wasm_v128_load(b + 4 * v) : fleet_load_f32x4(b, count);
            sum0[v] = wasm_f32x4_add(sum0[v], wasm_f32x4_mul(value0, weight));
            sum1[v] = wasm_f32x4_add(sum1[v], wasm_f32x4_mul(value1, weight));
        }
        b += p->columns;
    }
    const v128_t lo = wasm_f32x4_splat(p->out_min);
    const v128_t hi = wasm_f32x4_splat(p->out_max);
    FLEET_UNROLL
    for (int32_t v = 0; v < vectors; ++v) {
        fleet_store_f32x4(y0 + 4 * v, fleet_clip_x4(sum0[v], lo, hi), count - 4 * v);
        fleet_store_f32x4(y1 + 4 * v, fleet_clip_x4(sum1[v], lo, hi), count - 4 * v);
    }
}

void fleet_matmul_f32(const struct fleet_matmul_f32_params *p, const float *a, const float *b, const float *bias, float *y)
{
    for (int32_t n = 0; n < p->batch; ++n) {
        for (int32_t column = 0; column < p->columns;) {
            const int32_t count = p->columns - column;
            const float *column_bias = bias + column * p->bias_stride;
            for (int32_t row = 0; row < p->rows; row += 2) {
                /* The last row of an odd number is computed twice, to the same place. */
                const int32_t second = row + 1 < p->rows ? row + 1 : row;
                const float *a0 = a + row * p->depth;
                const float *a1 = a + second * p->depth;
                float *y0 = y + row * p->columns + column;
                float *y1 = y + second * p->columns + column;
                if (count >= 16) {
                    product_tile(p, a0, a1, b + column, column_bias, count, y0, y1, MAX_VECTORS);
                } else {
                    product_tile(p, a0, a1, b + column, column_bias, count, y0, y1, 1);
                }
            }
            column += count >= 16 ? 16 : 4;
        }
        a += p->a_batch_stride;
        b += p->b_batch_stride;
        y += p->rows * p->columns;
    }
}

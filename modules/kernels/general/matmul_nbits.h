/* y = x w + bias, where w [depth, columns] is stored in FLEET_BITS bits, column by column, lowest bits first, in blocks with a
 * scale and a zero point of their own: w[k, n] = (q[n, k] - zero[n, k / block]) scale[n, k / block].
 *   FLEET_BITS   2, 4 or 8
 *   FLEET_ZP     type of the zero points
 *
 * A block's products are summed in four lanes, the lanes as (0 + 2) + (1 + 3), then scaled; blocks are summed in order. */
#include <stdint.h>

#ifndef FLEET_GENERAL_MATMUL_NBITS_H
#define FLEET_GENERAL_MATMUL_NBITS_H
struct fleet_matmul_nbits {
    int32_t rows, depth, columns, block, blocks;
    int32_t zero_step; /* from one zero point to the next: 0 or 1 */
    int32_t bias_step;
};
#endif

static void FLEET_KERNEL(const struct fleet_matmul_nbits *p, const float *x, const uint8_t *w, const float *scale,
                         const FLEET_ZP *zero, const float *bias, float *y)
{
    const int32_t in_byte = 8 / FLEET_BITS;
    for (int32_t r = 0; r < p->rows; ++r, x += p->depth) {
        for (int32_t n = 0; n < p->columns; ++n) {
            float sum = bias[n * p->bias_step];
            for (int32_t b = 0; b < p->blocks; ++b) {
                const int32_t at = n * p->blocks + b;
                const uint8_t *packed = w + at * (p->block / in_byte);
                const float z = (float)zero[at * p->zero_step];
                const float *v = x + b * p->block;
                const int32_t count = p->depth - b * p->block < p->block ? p->depth - b * p->block : p->block;
                float lane[4] = {0.0f, 0.0f, 0.0f, 0.0f};
                for (int32_t k = 0; k < count; ++k) {
                    const int32_t q = packed[k / in_byte] >> k % in_byte * FLEET_BITS & ((1 << FLEET_BITS) - 1);
                    lane[k & 3] += v[k] * ((float)q - z);
                }
                sum += ((lane[0] + lane[2]) + (lane[1] + lane[3])) * scale[at];
            }
            *y++ = sum;
        }
    }
}

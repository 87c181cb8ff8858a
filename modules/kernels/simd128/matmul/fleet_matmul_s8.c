#include "fleet_kernels.h"

void fleet_matmul_s8(const struct fleet_matmul_s8_params *p, const int8_t *x, const int8_t *weights, const int32_t *bias,
                     const float *multipliers, int8_t *y, void *scratch)
{
    /* Rows are the pixels of one line. */
    const struct fleet_conv_s8_params conv = {
        .window = {.batch = 1, .in_h = 1, .in_w = p->rows, .in_c = p->depth, .out_h = 1, .out_w = p->rows,
                   .out_c = p->columns, .kernel_h = 1, .kernel_w = 1, .stride_h = 1, .stride_w = 1,
                   .dilation_h = 1, .dilation_w = 1},
        .groups = 1,
        .in_zero_point = p->in_zero_point,
        .out_zero_point = p->out_zero_point,
        .out_min = p->out_min,
        .out_max = p->out_max,
        .patch_pixels = p->patch_rows,
    };
    fleet_conv_s8(&conv, x, weights, bias, multipliers, y, scratch);
}

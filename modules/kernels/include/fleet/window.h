/* Geometry that convolutions and pools share. */
#ifndef FLEET_WINDOW_H
#define FLEET_WINDOW_H

#include <stdint.h>

/* Input [batch, in_h, in_w, in_c], output [batch, out_h, out_w, out_c]. The element of the window of output (oh, ow) at
 * (kh, kw) is the input at (oh·stride_h − pad_top + kh·dilation_h, ow·stride_w − pad_left + kw·dilation_w).
 *
 *   batch, in_*, out_*, kernel_*, stride_*, dilation_*   >= 1
 *   pad_*                                               >= 0, may exceed the kernel
 *   out_h, out_w                                        as ONNX's shape inference says; every window may reach beyond the
 *                                                       input, and with ceil_mode beyond the bottom and right pads too
 *   out_h·stride_h, (kernel_h − 1)·dilation_h, pad_*    their sum < 2^30 (the same for _w)
 */
struct fleet_window {
    int32_t batch;
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t kernel_h, kernel_w;
    int32_t stride_h, stride_w;
    int32_t dilation_h, dilation_w;
    int32_t pad_top, pad_left, pad_bottom, pad_right;
};

#endif

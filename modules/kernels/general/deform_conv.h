/* DeformConv of two dimensions: each tap is moved by an offset, read between the elements, and weighted by a mask.
 *   FLEET_X   float32 or float64 */
#include "general/window.h"

#ifndef FLEET_GENERAL_DEFORM_CONV_H
#define FLEET_GENERAL_DEFORM_CONV_H
struct fleet_deform_conv {
    struct fleet_windows window;
    int32_t offset_group, masked;
};
#endif

static void FLEET_KERNEL(const struct fleet_deform_conv *p, const FLEET_X *x, const FLEET_X *weights,
                         const FLEET_X *offsets, const FLEET_X *bias, const FLEET_X *mask, FLEET_X *y)
{
    const struct fleet_windows *w = &p->window;
    const int32_t depth = w->channels / w->group;
    const int32_t wide = w->out_channels / w->group;
    const int32_t shared = w->channels / p->offset_group;
    const int32_t taps = w->kernel_size;
    int32_t place[FLEET_WINDOW_RANK];
    for (int32_t n = 0; n < w->batch; ++n) {
        for (int32_t oc = 0; oc < w->out_channels; ++oc) {
            for (int32_t o = 0; o < w->out_size; ++o) {
                FLEET_X acc = bias[oc];
                fleet_unravel(o, w->rank, w->out, place);
                for (int32_t t = 0; t < taps; ++t) {
                    for (int32_t ic = 0; ic < depth; ++ic) {
                        const int32_t c = oc / wide * depth + ic;
                        const int32_t g = n * p->offset_group + c / shared;
                        const FLEET_X *moved = offsets + ((g * taps + t) * 2) * w->out_size + o;
                        const FLEET_X h = (FLEET_X)(place[0] * w->stride[0] - w->begin[0] + t / w->kernel[1] * w->dilation[0]) +
                                          moved[0];
                        const FLEET_X v = (FLEET_X)(place[1] * w->stride[1] - w->begin[1] + t % w->kernel[1] * w->dilation[1]) +
                                          moved[w->out_size];
                        const FLEET_X *map = x + (n * w->channels + c) * w->in_size;
                        const FLEET_X floor_h = (FLEET_X)__builtin_floor((double)h);
                        const FLEET_X floor_w = (FLEET_X)__builtin_floor((double)v);
                        if (!(floor_h >= -1 && floor_h < (FLEET_X)w->in[0] && floor_w >= -1 && floor_w < (FLEET_X)w->in[1])) {
                            continue;
                        }
                        FLEET_X sample = 0;
                        for (int32_t k = 0; k < 4; ++k) {
                            const int32_t row = (int32_t)floor_h + k / 2;
                            const int32_t column = (int32_t)floor_w + k % 2;
                            const FLEET_X far_h = h - floor_h;
                            const FLEET_X far_w = v - floor_w;
                            const FLEET_X part = (k / 2 ? far_h : 1 - far_h) * (k % 2 ? far_w : 1 - far_w);
                            if (row >= 0 && row < w->in[0] && column >= 0 && column < w->in[1]) {
                                sample = sample + part * map[row * w->in[1] + column];
                            }
                        }
                        const FLEET_X weight = weights[(oc * depth + ic) * taps + t];
                        const FLEET_X opened = p->masked ? mask[(g * taps + t) * w->out_size + o] : 1;
                        acc = acc + sample * opened * weight;
                    }
                }
                *y++ = acc;
            }
        }
    }
}

/* RoiAlign: samples of a bilinear surface in each bin of each region, averaged or their largest.
 *   FLEET_X     float32 or float64
 *   FLEET_LARGEST   1: the largest product of a sample's corner and weight; 0: the mean */
#include <stdbool.h>

#include "general/functions.h"

#ifndef FLEET_GENERAL_ROI_ALIGN_H
#define FLEET_GENERAL_ROI_ALIGN_H
struct fleet_roi_align {
    int32_t rois, batch, channels, in_h, in_w, out_h, out_w;
    int32_t sampling, half_pixel;
    float scale;
};

/* Samples along one side of a bin of this size. */
static inline int32_t fleet_roi_samples(const struct fleet_roi_align *p, double size)
{
    if (p->sampling > 0) {
        return p->sampling;
    }
    return !(size > 0.0) ? 0 : size > 0x1p15 ? 1 << 15 : (int32_t)__builtin_ceil(size);
}
#endif

static void FLEET_KERNEL(const struct fleet_roi_align *p, const FLEET_X *x, const FLEET_X *rois, const int64_t *batch,
                         FLEET_X *y)
{
    const FLEET_X offset = p->half_pixel ? (FLEET_X)0.5 : (FLEET_X)0;
    for (int32_t r = 0; r < p->rois; ++r) {
        if (batch[r] < 0 || batch[r] >= p->batch) {
            __builtin_trap();
        }
        const FLEET_X *roi = rois + 4 * r;
        const FLEET_X left = roi[0] * p->scale - offset;
        const FLEET_X top = roi[1] * p->scale - offset;
        FLEET_X width = roi[2] * p->scale - offset - left;
        FLEET_X height = roi[3] * p->scale - offset - top;
        if (!p->half_pixel) {
            width = width < 1 ? 1 : width;
            height = height < 1 ? 1 : height;
        }
        const FLEET_X bin_h = height / (FLEET_X)p->out_h;
        const FLEET_X bin_w = width / (FLEET_X)p->out_w;
        const int32_t grid_h = fleet_roi_samples(p, (double)bin_h);
        const int32_t grid_w = fleet_roi_samples(p, (double)bin_w);
        const int32_t count = grid_h * grid_w > 1 ? grid_h * grid_w : 1;
        for (int32_t c = 0; c < p->channels; ++c) {
            const FLEET_X *map = x + ((int32_t)batch[r] * p->channels + c) * p->in_h * p->in_w;
            for (int32_t oh = 0; oh < p->out_h; ++oh) {
                for (int32_t ow = 0; ow < p->out_w; ++ow) {
                    FLEET_X acc = 0;
                    bool first = true;
                    for (int32_t s = 0; s < grid_h * grid_w; ++s) {
                        FLEET_X v = top + (FLEET_X)oh * bin_h + ((FLEET_X)(s / grid_w) + (FLEET_X)0.5) * bin_h / (FLEET_X)grid_h;
                        FLEET_X u = left + (FLEET_X)ow * bin_w + ((FLEET_X)(s % grid_w) + (FLEET_X)0.5) * bin_w / (FLEET_X)grid_w;
                        /* Where a sample is far outside, or not a number, nothing may be read at it. */
                        const bool inside = v >= -1 && v <= (FLEET_X)p->in_h && u >= -1 && u <= (FLEET_X)p->in_w;
                        v = inside && v > 0 ? v : 0;
                        u = inside && u > 0 ? u : 0;
                        int32_t h = (int32_t)v;
                        int32_t w = (int32_t)u;
                        v = h >= p->in_h - 1 ? (FLEET_X)(h = p->in_h - 1) : v;
                        u = w >= p->in_w - 1 ? (FLEET_X)(w = p->in_w - 1) : u;
                        const int32_t below = h + 1 < p->in_h ? h + 1 : h;
                        const int32_t right = w + 1 < p->in_w ? w + 1 : w;
                        const FLEET_X lh = v - (FLEET_X)h;
                        const FLEET_X lw = u - (FLEET_X)w;
                        const FLEET_X parts[4] = {
                            (1 - lh) * (1 - lw) * map[h * p->in_w + w], (1 - lh) * lw * map[h * p->in_w + right],
                            lh * (1 - lw) * map[below * p->in_w + w], lh * lw * map[below * p->in_w + right]};
                        for (int32_t k = 0; k < 4; ++k) {
                            const FLEET_X part = inside ? parts[k] : 0;
                            acc = FLEET_LARGEST ? (first || part > acc ? part : acc) : acc + part;
                            first = false;
                        }
                    }
                    *y++ = FLEET_LARGEST ? acc : acc / (FLEET_X)count;
                }
            }
        }
    }
}

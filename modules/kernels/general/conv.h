/* Conv whose weights are computed, of any rank: w is [out_channels, channels / group, kernel…], bias [out_channels].
 *   FLEET_X               type of x and w
 *   FLEET_Y               type of bias and y, and of the sum
 *   FLEET_PRODUCT(x, w)   one product
 *
 * Summed as numbers.md says: bias first, then taps, then channels. */
#include "general/window.h"

static void FLEET_KERNEL(const struct fleet_windows *w, const FLEET_X *x, const FLEET_X *weights, const FLEET_Y *bias,
                         FLEET_Y *y)
{
    const int32_t depth = w->channels / w->group;
    const int32_t wide = w->out_channels / w->group;
    int32_t place[FLEET_WINDOW_RANK];
    bool padded;
    for (int32_t n = 0; n < w->batch; ++n) {
        for (int32_t oc = 0; oc < w->out_channels; ++oc) {
            const FLEET_X *map = x + (n * w->channels + oc / wide * depth) * w->in_size;
            const FLEET_X *kernel = weights + oc * depth * w->kernel_size;
            for (int32_t o = 0; o < w->out_size; ++o) {
                FLEET_Y acc = bias[oc];
                fleet_unravel(o, w->rank, w->out, place);
                for (int32_t t = 0; t < w->kernel_size; ++t) {
                    const int32_t at = fleet_window_tap(w, place, t, &padded);
                    for (int32_t ic = 0; at >= 0 && ic < depth; ++ic) {
                        acc = (FLEET_Y)(acc + FLEET_PRODUCT(map[ic * w->in_size + at], kernel[ic * w->kernel_size + t]));
                    }
                }
                *y++ = acc;
            }
        }
    }
}

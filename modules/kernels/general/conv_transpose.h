/* ConvTranspose: w is [channels, out_channels / group, kernel…], bias [out_channels].
 *   FLEET_X   type of everything
 *
 * Each output gathers what reaches it: bias first, then taps, then channels. */
#include "general/window.h"

static void FLEET_KERNEL(const struct fleet_windows *w, const FLEET_X *x, const FLEET_X *weights, const FLEET_X *bias,
                         FLEET_X *y)
{
    const int32_t depth = w->channels / w->group;
    const int32_t wide = w->out_channels / w->group;
    int32_t place[FLEET_WINDOW_RANK];
    for (int32_t n = 0; n < w->batch; ++n) {
        for (int32_t oc = 0; oc < w->out_channels; ++oc) {
            const int32_t first = oc / wide * depth;
            const FLEET_X *map = x + (n * w->channels + first) * w->in_size;
            const FLEET_X *kernel = weights + (first * wide + oc % wide) * w->kernel_size;
            for (int32_t o = 0; o < w->out_size; ++o) {
                FLEET_X acc = bias[oc];
                fleet_unravel(o, w->rank, w->out, place);
                for (int32_t t = 0; t < w->kernel_size; ++t) {
                    const int32_t at = fleet_window_source(w, place, t);
                    for (int32_t ic = 0; at >= 0 && ic < depth; ++ic) {
                        acc = acc + map[ic * w->in_size + at] * kernel[ic * wide * w->kernel_size + t];
                    }
                }
                *y++ = acc;
            }
        }
    }
}

/* Col2Im: adds the columns of [batch, channels · kernel, blocks] up where their windows stood.
 *   FLEET_X   type of the elements */
#include "general/window.h"

static void FLEET_KERNEL(const struct fleet_windows *w, const FLEET_X *x, FLEET_X *y)
{
    int32_t place[FLEET_WINDOW_RANK];
    bool padded;
    for (int32_t i = 0; i < w->batch * w->channels * w->in_size; ++i) {
        y[i] = 0;
    }
    for (int32_t m = 0; m < w->batch * w->channels; ++m) {
        for (int32_t t = 0; t < w->kernel_size; ++t) {
            for (int32_t o = 0; o < w->out_size; ++o) {
                fleet_unravel(o, w->rank, w->out, place);
                const int32_t at = fleet_window_tap(w, place, t, &padded);
                const FLEET_X v = *x++;
                if (at >= 0) {
                    y[m * w->in_size + at] = (FLEET_X)(y[m * w->in_size + at] + v);
                }
            }
        }
    }
}

/* NonMaxSuppression: for each batch and class the best boxes, none of which overlaps a better one too much.
 *   FLEET_X   unused; scores and boxes are float32 */
#include <stdbool.h>
#include <stdint.h>

#ifndef FLEET_GENERAL_NON_MAX_SUPPRESSION_H
#define FLEET_GENERAL_NON_MAX_SUPPRESSION_H
/* centre: boxes are (x, y, width, height), else two corners (y1, x1, y2, x2). Without a score threshold all count. */
struct fleet_non_max_suppression {
    int32_t batches, classes, boxes;
    int32_t centre, threshold;
};

struct fleet_box {
    float top, left, bottom, right;
};

static inline struct fleet_box fleet_box_of(const float *b, bool centre)
{
    if (centre) {
        const float half_w = b[2] / 2.0f;
        const float half_h = b[3] / 2.0f;
        return (struct fleet_box){b[1] - half_h, b[0] - half_w, b[1] + half_h, b[0] + half_w};
    }
    return (struct fleet_box){b[0] < b[2] ? b[0] : b[2], b[1] < b[3] ? b[1] : b[3], b[0] < b[2] ? b[2] : b[0],
                              b[1] < b[3] ? b[3] : b[1]};
}

/* Area of what they share over the area of both. */
static inline float fleet_overlap(struct fleet_box a, struct fleet_box b)
{
    const float top = a.top > b.top ? a.top : b.top;
    const float left = a.left > b.left ? a.left : b.left;
    const float bottom = a.bottom < b.bottom ? a.bottom : b.bottom;
    const float right = a.right < b.right ? a.right : b.right;
    const float height = bottom - top;
    const float width = right - left;
    if (height <= 0.0f || width <= 0.0f) {
        return 0.0f;
    }
    const float shared = height * width;
    const float first = (a.bottom - a.top) * (a.right - a.left);
    const float second = (b.bottom - b.top) * (b.right - b.left);
    return shared / (first + second - shared);
}
#endif

static void FLEET_KERNEL(const struct fleet_non_max_suppression *p, const float *boxes, const float *scores,
                         const int64_t *most, const float *iou, const float *least, int64_t *y, int32_t *dims,
                         uint8_t *gone)
{
    int32_t found = 0;
    for (int32_t b = 0; b < p->batches; ++b) {
        for (int32_t c = 0; c < p->classes; ++c) {
            const float *score = scores + (b * p->classes + c) * p->boxes;
            for (int32_t i = 0; i < p->boxes; ++i) {
                gone[i] = p->threshold && !(score[i] > *least);
            }
            for (int64_t n = 0; n < *most; ++n) {
                int32_t best = -1;
                for (int32_t i = 0; i < p->boxes; ++i) {
                    best = !gone[i] && (best < 0 || score[i] > score[best]) ? i : best;
                }
                if (best < 0) {
                    break;
                }
                y[found * 3] = b;
                y[found * 3 + 1] = c;
                y[found * 3 + 2] = best;
                ++found;
                gone[best] = 1;
                const struct fleet_box chosen = fleet_box_of(boxes + (b * p->boxes + best) * 4, p->centre);
                for (int32_t i = 0; i < p->boxes; ++i) {
                    const struct fleet_box other = fleet_box_of(boxes + (b * p->boxes + i) * 4, p->centre);
                    gone[i] = gone[i] || fleet_overlap(chosen, other) > *iou;
                }
            }
        }
    }
    dims[0] = found;
    dims[1] = 3;
}

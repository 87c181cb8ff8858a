#include "common/copy.h"
#include "fleet_kernels.h"

/* Strides in elements of the given type. */
#define COPY_LINE(type)                                                          \
    do {                                                                         \
        const type *from = (const type *)(const void *)x;                        \
        type *to = (type *)(void *)y;                                            \
        for (int32_t i = 0; i < count; ++i) {                                    \
            to[i * out_stride] = from[i * in_stride];                            \
        }                                                                        \
    } while (0)

static void copy_line(char *y, const char *x, int32_t count, int32_t in_stride, int32_t out_stride, int32_t element_bytes)
{
    if (in_stride == 1 && out_stride == 1) {
        fleet_copy_bytes(y, x, count * element_bytes);
        return;
    }
    switch (element_bytes) {
    case 1:
        COPY_LINE(uint8_t);
        break;
    case 2:
        COPY_LINE(uint16_t);
        break;
    case 4:
        COPY_LINE(uint32_t);
        break;
    default:
        COPY_LINE(uint64_t);
        break;
    }
}

void fleet_strided_copy(const struct fleet_strided_copy_params *p, const void *x, void *y)
{
    const char *from = x;
    char *to = y;
    const int32_t inner = p->rank - 1;
    int32_t index[FLEET_MAX_RANK];
    for (int32_t d = 0; d < FLEET_MAX_RANK; ++d) {
        index[d] = 0;
    }
    for (;;) {
        copy_line(to, from, p->shape[inner], p->in_stride[inner], p->out_stride[inner], p->element_bytes);
        int32_t d = inner - 1;
        for (; d >= 0; --d) {
            from += p->in_stride[d] * p->element_bytes;
            to += p->out_stride[d] * p->element_bytes;
            if (++index[d] < p->shape[d]) {
                break;
            }
            from -= p->in_stride[d] * p->element_bytes * p->shape[d];
            to -= p->out_stride[d] * p->element_bytes * p->shape[d];
            index[d] = 0;
        }
        if (d < 0) {
            return;
        }
    }
}

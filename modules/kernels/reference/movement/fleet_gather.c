#include "common/copy.h"
#include "fleet_kernels.h"

static int64_t index_at(const void *indices, int32_t i, int32_t index_bytes)
{
    return index_bytes == 8 ? ((const int64_t *)indices)[i] : ((const int32_t *)indices)[i];
}

void fleet_gather(const struct fleet_gather_params *p, const void *x, const void *indices, void *y)
{
    const char *from = x;
    char *to = y;
    for (int32_t outer = 0; outer < p->outer; ++outer) {
        for (int32_t i = 0; i < p->indices; ++i) {
            int64_t index = index_at(indices, i, p->index_bytes);
            if (index < -p->length || index >= p->length) {
                __builtin_trap();
            }
            if (index < 0) {
                index += p->length;
            }
            fleet_copy_bytes(to, from + (int32_t)index * p->inner_bytes, p->inner_bytes);
            to += p->inner_bytes;
        }
        from += p->length * p->inner_bytes;
    }
}

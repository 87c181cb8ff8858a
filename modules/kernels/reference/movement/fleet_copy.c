#include "common/copy.h"
#include "fleet_kernels.h"

void fleet_copy(const struct fleet_copy_params *p, const void *x, void *y)
{
    fleet_copy_bytes(y, x, p->bytes);
}

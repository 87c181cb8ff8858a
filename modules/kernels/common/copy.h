/* memcpy without libc. */
#ifndef FLEET_COMMON_COPY_H
#define FLEET_COMMON_COPY_H

#include <stdint.h>

static inline void fleet_copy_bytes(char *y, const char *x, int32_t bytes)
{
    int32_t i = 0;
    for (; i + 8 <= bytes; i += 8) {
        uint64_t eight;
        __builtin_memcpy(&eight, x + i, 8);
        __builtin_memcpy(y + i, &eight, 8);
    }
    for (; i < bytes; ++i) {
        y[i] = x[i];
    }
}

#endif

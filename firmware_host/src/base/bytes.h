/* Bytes that somebody else owns. */
#ifndef FLEET_BYTES_H
#define FLEET_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fleet_bytes {
    const uint8_t *data;
    size_t size;
};

static inline struct fleet_bytes fleet_bytes(const void *data, size_t size)
{
    return (struct fleet_bytes){data, size};
}

/* Whether [offset, offset + length) lies within `size` bytes; no sum of these can overflow. */
static inline bool fleet_within(uint64_t offset, uint64_t length, uint64_t size)
{
    return offset <= size && length <= size - offset;
}

#endif

/* Memory for WAMR: blocks out of one array, first fit, neighbours joined when they are freed. */
#ifndef FLEET_MODULE_POOL_H
#define FLEET_MODULE_POOL_H

#include <stdint.h>

/* Starts anew with an 8-aligned array of at least 64 bytes, a multiple of 8. There is one pool: WAMR's allocator has no place for a
 * context. */
void fleet_pool_start(void *memory, uint32_t size);

/* As malloc, realloc and free: 8-aligned, null when there is no room. */
void *fleet_pool_take(unsigned size);
void *fleet_pool_resize(void *at, unsigned size);
void fleet_pool_give(void *at);

/* Bytes in use, headers included; and as far as the pool was ever in use from its beginning: an array of so many bytes would have done. */
uint32_t fleet_pool_used(void);
uint32_t fleet_pool_most(void);

#endif

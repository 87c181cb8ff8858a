#include "module/pool.h"

#include <stddef.h>
#include <string.h>

#define USED 1u
#define HEADER ((uint32_t)sizeof(struct block))

/* `size` is a multiple of 8, header included, with USED in its lowest bit; the block before is `before` bytes long, 0 for the first. */
struct block {
    uint32_t size, before;
};

static struct {
    uint8_t *memory;
    uint32_t size, used, most;
} pool;

static struct block *at_offset(uint32_t offset)
{
    return (struct block *)(void *)(pool.memory + offset);
}

static uint32_t offset_of(const struct block *block)
{
    return (uint32_t)((const uint8_t *)block - pool.memory);
}

static uint32_t size_of(const struct block *block)
{
    return block->size & ~USED;
}

static struct block *next_of(const struct block *block)
{
    const uint32_t offset = offset_of(block) + size_of(block);
    return offset < pool.size ? at_offset(offset) : NULL;
}

static void set_size(struct block *block, uint32_t size, uint32_t flag)
{
    block->size = size | flag;
    struct block *next = next_of(block);
    if (next != NULL) {
        next->before = size;
    }
}

void fleet_pool_start(void *memory, uint32_t size)
{
    pool.memory = memory;
    pool.size = size;
    pool.used = 0;
    pool.most = 0;
    *at_offset(0) = (struct block){size, 0};
}

/* Makes a block as large as is needed, and what is left a free one. */
static void cut(struct block *block, uint32_t needed)
{
    const uint32_t left = size_of(block) - needed;
    if (left > HEADER) {
        block->size = needed | (block->size & USED);
        struct block *rest = next_of(block);
        rest->before = needed;
        set_size(rest, left, 0);
        struct block *behind = next_of(rest);
        if (behind != NULL && (behind->size & USED) == 0) {
            set_size(rest, left + size_of(behind), 0);
        }
    }
}

static void note(const struct block *block)
{
    const uint32_t end = offset_of(block) + size_of(block);
    pool.most = end > pool.most ? end : pool.most;
}

static uint32_t needed_for(unsigned size)
{
    return size > pool.size ? 0 : ((uint32_t)size + HEADER + 7) / 8 * 8;
}

void *fleet_pool_take(unsigned size)
{
    const uint32_t needed = needed_for(size);
    if (needed == 0) {
        return NULL;
    }
    for (struct block *block = at_offset(0); block != NULL; block = next_of(block)) {
        if ((block->size & USED) == 0 && block->size >= needed) {
            block->size |= USED;
            cut(block, needed);
            pool.used += size_of(block);
            note(block);
            return block + 1;
        }
    }
    return NULL;
}

void fleet_pool_give(void *at)
{
    if (at == NULL) {
        return;
    }
    struct block *block = (struct block *)at - 1;
    pool.used -= size_of(block);
    set_size(block, size_of(block), 0);
    const struct block *next = next_of(block);
    if (next != NULL && (next->size & USED) == 0) {
        set_size(block, block->size + next->size, 0);
    }
    if (block->before != 0) {
        struct block *before = at_offset(offset_of(block) - block->before);
        if ((before->size & USED) == 0) {
            set_size(before, before->size + block->size, 0);
        }
    }
}

void *fleet_pool_resize(void *at, unsigned size)
{
    if (at == NULL) {
        return fleet_pool_take(size);
    }
    struct block *block = (struct block *)at - 1;
    const uint32_t needed = needed_for(size), old = size_of(block);
    const struct block *next = next_of(block);
    if (needed == 0) {
        return NULL;
    }
    if (needed > old && next != NULL && (next->size & USED) == 0 && old + next->size >= needed) {
        set_size(block, old + next->size, USED);
    }
    if (needed <= size_of(block)) {
        cut(block, needed);
        pool.used += size_of(block) - old;
        note(block);
        return at;
    }
    void *moved = fleet_pool_take(size);
    if (moved != NULL) {
        memcpy(moved, at, old - HEADER);
        fleet_pool_give(at);
    }
    return moved;
}

uint32_t fleet_pool_used(void)
{
    return pool.used;
}

uint32_t fleet_pool_most(void)
{
    return pool.most;
}

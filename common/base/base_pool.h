/* base_pool.h - fixed pools of equal blocks in given memory, by index.
 *
 * Free blocks are chained through themselves; a block never touched stays an untouched page.
 * Threads: one owner.  Empty is a normal answer.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base_types.h"

#define POOL_NONE UINT32_MAX

struct pool {
    uint8_t *blocks;
    uint32_t block_bytes, count;
    uint32_t fresh;     /* blocks from here on were never given out */
    uint32_t free_head; /* chain of returned blocks */
    uint32_t used;
};

size_t   pool_bytes(uint32_t count, uint32_t block_bytes);
/* block_bytes a multiple of 8; memory 64-byte aligned. */
void     pool_init(struct pool *pool, void *memory, uint32_t count, uint32_t block_bytes);
uint32_t pool_take(struct pool *pool);              /* index or POOL_NONE */
void     pool_give(struct pool *pool, uint32_t index);

static inline void *pool_at(const struct pool *pool, uint32_t index)
{
    return pool->blocks + (size_t)index * pool->block_bytes;
}

#endif

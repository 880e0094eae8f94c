/* base_pool.c - fixed pools of equal blocks, free ones chained through their first word. */
#include "base_pool.h"

#include "base_must.h"

size_t pool_bytes(uint32_t count, uint32_t block_bytes)
{
    return (size_t)count * block_bytes;
}

void pool_init(struct pool *pool, void *memory, uint32_t count, uint32_t block_bytes)
{
    must(block_bytes >= sizeof(uint64_t) && block_bytes % sizeof(uint64_t) == 0);
    must(count < POOL_NONE && (count == 0 || memory != NULL));
    *pool = (struct pool){
        .blocks = memory,
        .block_bytes = block_bytes,
        .count = count,
        .free_head = POOL_NONE,
    };
}

uint32_t pool_take(struct pool *pool)
{
    uint32_t index = pool->free_head;

    if (index != POOL_NONE) {
        memcpy(&pool->free_head, pool_at(pool, index), sizeof(pool->free_head));
        must_hot(pool->free_head == POOL_NONE || pool->free_head < pool->fresh);
    } else if (pool->fresh < pool->count) {
        index = pool->fresh++;
    } else {
        return POOL_NONE;
    }
    pool->used++;
    return index;
}

void pool_give(struct pool *pool, uint32_t index)
{
    must(index < pool->fresh && pool->used > 0);
    memcpy(pool_at(pool, index), &pool->free_head, sizeof(pool->free_head));
    pool->free_head = index;
    pool->used--;
}

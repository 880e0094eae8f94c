/* smtp_chain.c - chained pool blocks (contract: smtp_chain.h). */
#include "smtp_chain.h"

#include "base_must.h"

static struct smtp_block *block_at(const struct pool *pool, uint32_t index)
{
    return (struct smtp_block *)pool_at(pool, index);
}

void chain_init(struct smtp_chain *chain)
{
    *chain = (struct smtp_chain){.head = POOL_NONE, .tail = POOL_NONE};
}

static uint32_t blocks_of(uint32_t bytes)
{
    return (bytes + CHAIN_BLOCK_BYTES - 1) / CHAIN_BLOCK_BYTES;
}

static void give_list(struct pool *pool, uint32_t head)
{
    while (head != POOL_NONE) {
        uint32_t next = block_at(pool, head)->next;

        pool_give(pool, head);
        head = next;
    }
}

/* n fresh blocks linked together, or false and none taken. */
static bool take_list(struct pool *pool, uint32_t n, uint32_t *ret_head)
{
    uint32_t head = POOL_NONE;

    while (n-- > 0) {
        uint32_t index = pool_take(pool);

        if (index == POOL_NONE) {
            give_list(pool, head);
            return false;
        }
        block_at(pool, index)->next = head;
        head = index;
    }
    *ret_head = head;
    return true;
}

bool chain_put(struct pool *pool, struct smtp_chain *chain, struct span text)
{
    uint32_t fresh;

    if (text.len == 0)
        return true;
    must(text.len <= CHAIN_BYTES_MAX && chain->bytes <= CHAIN_BYTES_MAX);
    if (!take_list(pool, blocks_of(chain->bytes + (uint32_t)text.len) - blocks_of(chain->bytes),
                   &fresh))
        return false;
    if (chain->head == POOL_NONE) {
        chain->head = chain->tail = fresh;
        fresh = block_at(pool, fresh)->next;
    }
    block_at(pool, chain->tail)->next = fresh;
    while (text.len > 0) {
        uint32_t used = chain->bytes % CHAIN_BLOCK_BYTES;
        size_t n;

        if (used == 0 && chain->bytes > 0)
            chain->tail = block_at(pool, chain->tail)->next;
        n = CHAIN_BLOCK_BYTES - used;
        if (n > text.len)
            n = text.len;
        memcpy(block_at(pool, chain->tail)->bytes + used, text.ptr, n);
        chain->bytes += (uint32_t)n;
        text = span_skip(text, n);
    }
    return true;
}

void chain_read(const struct pool *pool, const struct smtp_chain *chain, uint32_t at, uint8_t *out,
                uint32_t n)
{
    uint32_t index = chain->head;

    must(at <= chain->bytes && n <= chain->bytes - at);
    for (; n > 0 && at >= CHAIN_BLOCK_BYTES; at -= CHAIN_BLOCK_BYTES)
        index = block_at(pool, index)->next;
    while (n > 0) {
        const struct smtp_block *block = block_at(pool, index);
        uint32_t part = CHAIN_BLOCK_BYTES - at < n ? CHAIN_BLOCK_BYTES - at : n;

        memcpy(out, block->bytes + at, part);
        out += part;
        n -= part;
        at = 0;
        index = block->next;
    }
}

void chain_free(struct pool *pool, struct smtp_chain *chain)
{
    give_list(pool, chain->head);
    chain_init(chain);
}

void chain_rewind(const struct smtp_chain *chain, struct smtp_cursor *cursor)
{
    *cursor = (struct smtp_cursor){.block = chain->head};
}

struct span chain_peek(const struct pool *pool, const struct smtp_chain *chain,
                       const struct smtp_cursor *cursor)
{
    uint32_t left = chain->bytes - cursor->at, offset = cursor->at % CHAIN_BLOCK_BYTES;
    uint32_t here = CHAIN_BLOCK_BYTES - offset;

    if (left == 0)
        return span_of(NULL, 0);
    return span_of(block_at(pool, cursor->block)->bytes + offset, here < left ? here : left);
}

void chain_skip(const struct pool *pool, struct smtp_cursor *cursor, uint32_t n)
{
    cursor->at += n;
    if (n > 0 && cursor->at % CHAIN_BLOCK_BYTES == 0)
        cursor->block = block_at(pool, cursor->block)->next;
}

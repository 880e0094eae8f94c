/* smtp_chain.h - bytes of unknown length in blocks of the caller's pool.
 *
 * A block is { next u32, 252 bytes }.  A chain is always filled from the front: every block but
 * the last is full.  Threads: the pool's owner.
 */
#ifndef SMTP_CHAIN_H
#define SMTP_CHAIN_H

#include "base_pool.h"
#include "smtp.h"

struct smtp_block {
    uint32_t next; /* POOL_NONE at the end */
    uint8_t bytes[SMTP_BLOCK_BYTES - sizeof(uint32_t)];
};
_Static_assert(sizeof(struct smtp_block) == SMTP_BLOCK_BYTES, "one pool block");

/* No chain comes near this; it keeps the sums within 32 bits. */
#define CHAIN_BYTES_MAX (1u << 24)

#define CHAIN_BLOCK_BYTES (SMTP_BLOCK_BYTES - (uint32_t)sizeof(uint32_t))

struct smtp_chain {
    uint32_t head, tail, bytes;
};

void chain_init(struct smtp_chain *chain);

/* Appends all of text, or nothing and false where the pool has no more blocks. */
bool chain_put(struct pool *pool, struct smtp_chain *chain, struct span text);

/* Copies bytes [at, at + n) out; they must be there. */
void chain_read(const struct pool *pool, const struct smtp_chain *chain, uint32_t at, uint8_t *out,
                uint32_t n);

/* Gives every block back. */
void chain_free(struct pool *pool, struct smtp_chain *chain);

/* A place in a chain from which it is read on. */
struct smtp_cursor {
    uint32_t block, at; /* at: offset from the chain's start */
};

void chain_rewind(const struct smtp_chain *chain, struct smtp_cursor *cursor);

/* The next unread bytes that lie together, empty at the end; chain_skip() passes n of them. */
struct span chain_peek(const struct pool *pool, const struct smtp_chain *chain,
                       const struct smtp_cursor *cursor);
void chain_skip(const struct pool *pool, struct smtp_cursor *cursor, uint32_t n);

#endif

/* Goal: a chain gives back what was put in, however it lies over blocks, and a dry pool loses
 * nothing.  Method: random pieces against a flat copy. */
#include "smtp_test.h"

#define BLOCKS 8u

static struct pool *new_pool(void **ret_memory)
{
    static struct pool pool;

    *ret_memory = aligned_alloc(64, (pool_bytes(BLOCKS, SMTP_BLOCK_BYTES) + 63) / 64 * 64);
    pool_init(&pool, *ret_memory, BLOCKS, SMTP_BLOCK_BYTES);
    return &pool;
}

static void holds(struct pool *pool, const struct smtp_chain *chain, const uint8_t *flat)
{
    uint8_t *out = malloc(chain->bytes + 1);
    struct smtp_cursor cursor;
    struct span part;
    uint32_t at = 0;

    for (uint32_t from = 0; from <= chain->bytes; from += 97) {
        chain_read(pool, chain, from, out, chain->bytes - from);
        assert_memory_equal(out, flat + from, chain->bytes - from);
    }
    chain_rewind(chain, &cursor);
    while ((part = chain_peek(pool, chain, &cursor)).len > 0) {
        uint32_t n = part.len > 100 ? 100 : (uint32_t)part.len;

        assert_memory_equal(part.ptr, flat + at, n);
        chain_skip(pool, &cursor, n);
        at += n;
    }
    assert_int_equal(at, chain->bytes);
    free(out);
}

static void every_size(void **state)
{
    uint8_t flat[BLOCKS * CHAIN_BLOCK_BYTES];
    void *memory;
    struct pool *pool = new_pool(&memory);

    (void)state;
    for (size_t i = 0; i < sizeof(flat); i++)
        flat[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t step = 1; step <= 600; step += step < 8 ? 1 : 61) {
        struct smtp_chain chain;

        chain_init(&chain);
        for (size_t at = 0; at + step <= sizeof(flat); at += step)
            assert_true(chain_put(pool, &chain, span_of(flat + at, step)));
        holds(pool, &chain, flat);
        chain_free(pool, &chain);
        assert_int_equal(pool->used, 0);
        assert_int_equal(chain.bytes, 0);
    }
    free(memory);
}

static void dry_pool_takes_nothing(void **state)
{
    uint8_t flat[BLOCKS * CHAIN_BLOCK_BYTES + 1] = {1, 2, 3};
    struct smtp_chain chain;
    void *memory;
    struct pool *pool = new_pool(&memory);

    (void)state;
    chain_init(&chain);
    assert_false(chain_put(pool, &chain, span_of(flat, sizeof(flat))));
    assert_int_equal(pool->used, 0);
    assert_true(chain_put(pool, &chain, span_of(flat, sizeof(flat) - 1)));
    assert_int_equal(pool->used, BLOCKS);
    assert_false(chain_put(pool, &chain, span_of(flat, 1)));
    assert_true(chain_put(pool, &chain, span_of(NULL, 0)));
    holds(pool, &chain, flat);
    chain_free(pool, &chain);
    chain_free(pool, &chain);
    assert_int_equal(pool->used, 0);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size),
        cmocka_unit_test(dry_pool_takes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

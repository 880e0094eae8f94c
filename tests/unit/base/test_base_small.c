/* Goal: pools, hashes, CRC32C and random streams against published vectors and their bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base_crc.h"
#include "base_guard.h"
#include "base_hash.h"
#include "base_must.h"
#include "base_pool.h"
#include "base_rand.h"
#include "base_seq.h"

static void pool_gives_each_block_once(void **state)
{
    enum { N = 50, BYTES = 24 };
    void *memory = aligned_alloc(64, (pool_bytes(N, BYTES) + 63) / 64 * 64);
    bool out[N] = {false};
    struct pool pool;

    (void)state;
    pool_init(&pool, memory, N, BYTES);
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < N; i++) {
            uint32_t index = pool_take(&pool);

            assert_true(index < N && !out[index]);
            out[index] = true;
            memset(pool_at(&pool, index), 0xff, BYTES); /* the block is all the owner's */
        }
        assert_int_equal(pool_take(&pool), POOL_NONE);
        assert_int_equal(pool.used, N);
        for (uint32_t i = 0; i < N; i++) {
            pool_give(&pool, (i * 7) % N);
            out[(i * 7) % N] = false;
        }
        assert_int_equal(pool.used, 0);
    }
    free(memory);
}

static void pool_of_none(void **state)
{
    struct pool pool;

    (void)state;
    pool_init(&pool, NULL, 0, 64);
    assert_int_equal(pool_take(&pool), POOL_NONE);
}

static uint8_t from_hex(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* vectors.h of the SipHash reference: key 00..0f, message 00, 01, … of each length. */
static void siphash_vectors(void **state)
{
    static const struct {
        size_t len;
        const char *hex;
    } v64[] = {
        {0,  "310e0edd47db6f72"},
        {1,  "fd67dc93c539f874"},
        {7,  "37d1018bf50002ab"},
        {8,  "6224939a79f5f593"},
        {15, "e545be4961ca29a1"},
        {63, "724506eb4c328a95"},
    };
    static const char v128[] = "a3817f04ba25a8e66df67214c7550293"; /* empty message */
    uint8_t key[16], message[64], out[16];

    (void)state;
    for (uint8_t i = 0; i < 64; i++)
        message[i] = i;
    memcpy(key, message, 16);
    for (size_t i = 0; i < ARRAY_LEN(v64); i++) {
        struct guard g = guard_new(message, v64[i].len);
        uint64_t want = 0;

        for (unsigned b = 0; b < 8; b++)
            want |= (uint64_t)(from_hex(v64[i].hex[2 * b]) << 4 | from_hex(v64[i].hex[2 * b + 1]))
                    << 8 * b;
        assert_true(hash_sip(key, span_of(g.ptr, g.len)) == want);
        guard_free(&g);
    }
    hash_sip128(key, span_of(NULL, 0), out);
    for (unsigned b = 0; b < 16; b++)
        assert_int_equal(out[b], from_hex(v128[2 * b]) << 4 | from_hex(v128[2 * b + 1]));
}

static void quick_hash_tells_inputs_apart(void **state)
{
    static uint64_t seen[64 * 8 + 66];
    struct hash_quick a, b;
    uint8_t key[16] = {1}, bytes[64] = {0};
    size_t n = 0;

    (void)state;
    hash_quick_init(&a, key);
    key[15] = 9;
    hash_quick_init(&b, key);
    for (size_t len = 0; len <= 64; len++) { /* every length of zeros, never beyond its end */
        struct guard g = guard_new(bytes, len);

        seen[n++] = hash_quick(&a, g.ptr, len);
        assert_true(hash_quick(&a, g.ptr, len) != hash_quick(&b, g.ptr, len));
        guard_free(&g);
    }
    for (unsigned bit = 0; bit < 512; bit++) { /* every single bit */
        bytes[bit / 8] = (uint8_t)(1u << bit % 8);
        seen[n++] = hash_quick(&a, bytes, 64);
        bytes[bit / 8] = 0;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i + 1; j < n; j++)
            assert_true(seen[i] != seen[j]);
    }
}

/* Keys as tables see them: one address, ports counting up; the low bits must spread. */
static void quick_hash_spreads_in_low_bits(void **state)
{
    static unsigned buckets[1024];
    struct hash_quick h;
    uint8_t key[16] = {7, 7, 7}, tuple[36] = {10, 25, 0, 1};
    unsigned most = 0;

    (void)state;
    hash_quick_init(&h, key);
    for (unsigned port = 0; port < 65536; port++) {
        tuple[32] = (uint8_t)(port >> 8);
        tuple[33] = (uint8_t)port;
        buckets[hash_quick(&h, tuple, sizeof(tuple)) & 1023]++;
    }
    for (size_t i = 0; i < ARRAY_LEN(buckets); i++)
        most = buckets[i] > most ? buckets[i] : most;
    assert_true(most < 64 * 2); /* 64 on average; a random hash exceeds 128 with p < 1e-9 */
}

static void crc32c_vectors(void **state)
{
    uint8_t bytes[64];

    (void)state;
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c_table(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, "", 0), 0);
    memset(bytes, 0, 32); /* RFC 3720 B.4 */
    assert_int_equal(crc32c(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, 32);
    assert_int_equal(crc32c(0, bytes, 32), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    assert_int_equal(crc32c(0, bytes, 32), 0x46dd794e);
}

static void crc32c_both_ways_at_every_cut(void **state)
{
    uint8_t bytes[100];
    struct rand r;

    (void)state;
    rand_seed(&r, 3, 3);
    rand_fill(&r, bytes, sizeof(bytes));
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        struct guard g = guard_new(bytes, len);
        uint32_t whole = crc32c(0, g.ptr, len);

        assert_int_equal(whole, crc32c_table(0, g.ptr, len));
        for (size_t cut = 0; cut <= len; cut++)
            assert_int_equal(whole, crc32c(crc32c(0, g.ptr, cut), g.ptr + cut, len - cut));
        guard_free(&g);
    }
}

static void rand_streams_repeat_and_differ(void **state)
{
    struct rand a, b, c, d;

    (void)state;
    rand_seed(&a, 1, 0);
    rand_seed(&b, 1, 0);
    rand_seed(&c, 1, 1);
    rand_seed(&d, 2, 0);
    for (int i = 0; i < 100; i++) {
        uint64_t x = rand_u64(&a);

        assert_true(x == rand_u64(&b));
        assert_true(x != rand_u64(&c));
        assert_true(x != rand_u64(&d));
    }
}

static void rand_keeps_its_bounds(void **state)
{
    unsigned seen[6] = {0}, hits = 0;
    struct rand r;
    uint8_t bytes[11] = {0};

    (void)state;
    rand_seed(&r, 5, 5);
    for (int i = 0; i < 6000; i++) {
        uint64_t x = rand_between(&r, 10, 15);

        assert_in_range(x, 10, 15);
        seen[x - 10]++;
        hits += rand_chance(&r, 250000);
        assert_int_equal(rand_below(&r, 1), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(seen); i++)
        assert_in_range(seen[i], 800, 1200);
    assert_in_range(hits, 1300, 1700);
    (void)rand_between(&r, 0, UINT64_MAX);
    rand_fill(&r, bytes, 10);
    assert_int_equal(bytes[10], 0);
}

static void serial_comparison_wraps(void **state)
{
    (void)state;
    assert_true(seq_before(0xffffffff, 0));
    assert_false(seq_before(0, 0xffffffff));
    assert_true(seq_at_or_before(5, 5));
    assert_true(seq_within(2, 0xfffffffe, 10));
    assert_false(seq_within(8, 0xfffffffe, 10));
    assert_int_equal(seq_max(0xffffffff, 3), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_gives_each_block_once),
        cmocka_unit_test(pool_of_none),
        cmocka_unit_test(siphash_vectors),
        cmocka_unit_test(quick_hash_tells_inputs_apart),
        cmocka_unit_test(quick_hash_spreads_in_low_bits),
        cmocka_unit_test(crc32c_vectors),
        cmocka_unit_test(crc32c_both_ways_at_every_cut),
        cmocka_unit_test(rand_streams_repeat_and_differ),
        cmocka_unit_test(rand_keeps_its_bounds),
        cmocka_unit_test(serial_comparison_wraps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

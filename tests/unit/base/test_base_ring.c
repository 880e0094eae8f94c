/* Goal: the ring moves every entry once and in order, whatever the batch sizes, never believes
 * an impossible index, and never sleeps through work.  Method: rows on one thread, two threads
 * (also under TSan) with sleep and kick, and a peer that writes any index it likes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base_rand.h"
#include "base_ring.h"

struct entry {
    uint64_t n, twice;
};

struct pair {
    struct ring in, out; /* producer's and consumer's end */
    uint8_t *memory;
    uint32_t count;
};

static struct pair pair_new(uint32_t count)
{
    struct pair p = {.count = count};
    size_t bytes = ring_bytes(count, sizeof(struct entry));

    p.memory = aligned_alloc(CACHE_LINE_BYTES, bytes);
    assert_non_null(p.memory);
    memset(p.memory, 0, bytes);
    ring_attach(&p.in, p.memory, count, sizeof(struct entry));
    ring_attach(&p.out, p.memory, count, sizeof(struct entry));
    return p;
}

/* Sets both ends as if they had run for a long time. */
static void start_at(struct pair *p, uint32_t index)
{
    p->in.mine = p->in.peer = p->out.mine = p->out.peer = index;
    ((_Atomic uint32_t *)(void *)p->memory)[0] = index;
    ((_Atomic uint32_t *)(void *)p->memory)[16] = index;
}

static uint32_t put_from(struct ring *r, uint64_t first, uint32_t n)
{
    struct entry e[64];

    for (uint32_t i = 0; i < n; i++)
        e[i] = (struct entry){.n = first + i, .twice = 2 * (first + i)};
    return ring_put(r, e, n);
}

static void ring_is_fifo_at_every_fill(void **state)
{
    static const uint32_t starts[] = {0, 5, UINT32_MAX - 3};

    (void)state;
    for (size_t s = 0; s < ARRAY_LEN(starts); s++) {
        for (uint32_t count = 1; count <= 16; count *= 2) {
            for (uint32_t batch = 1; batch <= count + 1; batch++) {
                struct pair p = pair_new(count);
                uint64_t put = 0, got = 0;
                struct entry e[64];

                start_at(&p, starts[s]);
                for (int round = 0; round < 40; round++) {
                    uint32_t room = ring_room(&p.in), in = put_from(&p.in, put, batch);

                    assert_int_equal(in, batch < room ? batch : room);
                    put += in;
                    assert_true(put - got <= count);
                    uint32_t n = ring_get(&p.out, e, (uint32_t)round % (count + 2));

                    for (uint32_t i = 0; i < n; i++, got++) {
                        assert_int_equal(e[i].n, got);
                        assert_int_equal(e[i].twice, 2 * got);
                    }
                }
                while (ring_get(&p.out, e, 1) == 1)
                    got++;
                assert_int_equal(got, put);
                assert_int_equal(p.in.bad_index + p.out.bad_index, 0);
                free(p.memory);
            }
        }
    }
}

static void ring_full_and_empty_answer_zero(void **state)
{
    struct pair p = pair_new(4);
    struct entry e[4];

    (void)state;
    assert_int_equal(ring_get(&p.out, e, 4), 0);
    assert_int_equal(put_from(&p.in, 0, 9), 4);
    assert_int_equal(put_from(&p.in, 4, 1), 0);
    assert_int_equal(ring_room(&p.in), 0);
    assert_int_equal(ring_get(&p.out, e, 0), 0);
    assert_int_equal(ring_get(&p.out, e, 4), 4);
    assert_int_equal(ring_room(&p.in), 4);
    free(p.memory);
}

/* Any 32-bit value in the peer's index: the ring moves at most `count`, counts the impossible
 * and its own index never goes wrong. */
static void ring_survives_hostile_indices(void **state)
{
    struct pair p = pair_new(8);
    _Atomic uint32_t *produced = (void *)p.memory, *consumed = produced + 16;
    struct rand r;
    struct entry e[64];

    (void)state;
    rand_seed(&r, 20250101, 1);
    for (int i = 0; i < 20000; i++) {
        uint32_t before = p.out.mine, n;

        *produced = rand_chance(&r, 500000) ? (uint32_t)rand_u64(&r)
                                            : p.out.mine + (uint32_t)rand_below(&r, 12);
        n = ring_get(&p.out, e, (uint32_t)rand_below(&r, 64));
        assert_true(n <= 8);
        assert_int_equal(p.out.mine, before + n);
        *consumed = rand_chance(&r, 500000) ? (uint32_t)rand_u64(&r)
                                            : p.in.mine - (uint32_t)rand_below(&r, 12);
        assert_true(ring_room(&p.in) <= 8);
        assert_true(put_from(&p.in, 0, (uint32_t)rand_below(&r, 64)) <= 8);
    }
    assert_true(p.in.bad_index > 100);
    assert_true(p.out.bad_index > 100);
    free(p.memory);
}

static void ring_impossible_index_is_nothing(void **state)
{
    struct pair p = pair_new(8);
    _Atomic uint32_t *produced = (void *)p.memory, *consumed = produced + 16;
    struct entry e[8];

    (void)state;
    *produced = 9;
    assert_int_equal(ring_get(&p.out, e, 8), 0);
    assert_int_equal(p.out.bad_index, 1);
    *produced = UINT32_MAX;
    assert_int_equal(ring_get(&p.out, e, 8), 0);
    assert_int_equal(p.out.bad_index, 2);
    assert_true(ring_sleep(&p.out)); /* no work: sleeping is allowed */
    *produced = 8;
    assert_int_equal(ring_get(&p.out, e, 8), 8);
    *consumed = 1; /* consumed more than was ever put */
    assert_int_equal(ring_room(&p.in), 0);
    assert_int_equal(p.in.bad_index, 1);
    free(p.memory);
}

static void ring_sleep_protocol(void **state)
{
    struct pair p = pair_new(4);
    struct entry e;

    (void)state;
    assert_false(ring_must_kick(&p.in));
    assert_true(ring_sleep(&p.out));
    assert_int_equal(put_from(&p.in, 0, 1), 1);
    assert_true(ring_must_kick(&p.in));
    assert_false(ring_must_kick(&p.in)); /* once for each announced sleep */
    assert_false(ring_sleep(&p.out));    /* there is work */
    assert_false(ring_must_kick(&p.in)); /* and the flag is down again */
    assert_int_equal(ring_get(&p.out, &e, 1), 1);
    assert_true(ring_sleep(&p.out));
    ring_awake(&p.out);
    assert_int_equal(put_from(&p.in, 1, 1), 1);
    assert_false(ring_must_kick(&p.in));
    free(p.memory);
}

#define MANY 200000u

struct crossing {
    struct pair p;
    sem_t kick;
};

static void *produce(void *arg)
{
    struct crossing *c = arg;
    struct rand r;
    uint64_t next = 0;

    rand_seed(&r, 7, 1);
    while (next < MANY) {
        uint32_t n = (uint32_t)rand_between(&r, 1, 40);

        n = put_from(&c->p.in, next, MANY - next < n ? (uint32_t)(MANY - next) : n);
        next += n;
        if (ring_must_kick(&c->p.in))
            sem_post(&c->kick);
        if (n == 0)
            sched_yield();
    }
    return NULL;
}

/* If a kick were ever missed, the consumer would wait for ever and the test time out. */
static void ring_between_two_threads(void **state)
{
    struct crossing c = {.p = pair_new(64)};
    pthread_t producer;
    uint64_t got = 0;
    struct rand r;
    struct entry e[40];

    (void)state;
    rand_seed(&r, 7, 2);
    assert_int_equal(sem_init(&c.kick, 0, 0), 0);
    assert_int_equal(pthread_create(&producer, NULL, produce, &c), 0);
    while (got < MANY) {
        uint32_t n = ring_get(&c.p.out, e, (uint32_t)rand_between(&r, 1, 40));

        for (uint32_t i = 0; i < n; i++, got++) {
            if (e[i].n != got || e[i].twice != 2 * got)
                fail_msg("entry %lu came as %lu", (unsigned long)got, (unsigned long)e[i].n);
        }
        if (n == 0 && ring_sleep(&c.p.out)) {
            while (sem_wait(&c.kick) != 0)
                ;
            ring_awake(&c.p.out);
        }
    }
    pthread_join(producer, NULL);
    assert_int_equal(ring_get(&c.p.out, e, 1), 0);
    assert_int_equal(c.p.in.bad_index + c.p.out.bad_index, 0);
    sem_destroy(&c.kick);
    free(c.p.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_is_fifo_at_every_fill),
        cmocka_unit_test(ring_full_and_empty_answer_zero),
        cmocka_unit_test(ring_survives_hostile_indices),
        cmocka_unit_test(ring_impossible_index_is_nothing),
        cmocka_unit_test(ring_sleep_protocol),
        cmocka_unit_test(ring_between_two_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Goal: a timer fires once, never early, at most a tick late, whatever its distance; cancel
 * and re-arm hold; a turn never does more than its budget.  Method: rows, then a seeded walk
 * checked against a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base_rand.h"
#include "base_wheel.h"

#define TICK 1000u

struct thing { /* the node is embedded, not first */
    uint64_t name;
    struct wheel_node node;
};

static struct wheel wheel;

static struct thing *things_new(uint32_t count, uint64_t now_us)
{
    struct thing *things = calloc(count, sizeof(*things));

    assert_non_null(things);
    wheel_init(&wheel, &things[0].node, sizeof(struct thing), count, TICK,
               (struct usec){.us = now_us});
    return things;
}

static uint32_t expire_at(uint64_t us)
{
    uint32_t budget = 1000000;

    return wheel_expire(&wheel, (struct usec){.us = us}, &budget);
}

static void one_timer_at_every_distance(void **state)
{
    static const uint64_t starts[] = {
        0, 1, 999, 63 * TICK, 64 * TICK, 4095ull * TICK + 7, 1763856000000000ull};

    (void)state;
    for (size_t s = 0; s < ARRAY_LEN(starts); s++) {
        for (unsigned bit = 0; bit < 62; bit++) {
            uint64_t due = starts[s] + (1ull << bit);
            struct thing *things = things_new(1, starts[s]);

            wheel_add(&wheel, 0, (struct usec){.us = due});
            assert_true(wheel_armed(&wheel, 0));
            assert_int_equal(wheel.armed, 1);
            assert_true(wheel_next(&wheel).us <= due + TICK);
            assert_int_equal(expire_at(due - 1), WHEEL_NONE); /* never early */
            assert_int_equal(expire_at(due + TICK), 0);       /* at most a tick late */
            assert_false(wheel_armed(&wheel, 0));
            assert_int_equal(wheel.armed, 0);
            assert_int_equal(expire_at(UINT64_MAX), WHEEL_NONE);
            assert_true(wheel_next(&wheel).us == UINT64_MAX);
            free(things);
        }
    }
}

static void farthest_time_is_never(void **state)
{
    struct thing *things = things_new(2, 5);

    (void)state;
    wheel_add(&wheel, 0, (struct usec){.us = UINT64_MAX});
    wheel_add(&wheel, 1, (struct usec){.us = 50000});
    assert_int_equal(expire_at(60000), 1);
    assert_int_equal(expire_at(1ull << 60), WHEEL_NONE);
    wheel_cancel(&wheel, 0);
    assert_int_equal(wheel.armed, 0);
    free(things);
}

static void past_due_fires_in_the_next_tick(void **state)
{
    struct thing *things = things_new(1, 500 * TICK);

    (void)state;
    wheel_add(&wheel, 0, (struct usec){.us = 3});
    assert_int_equal(expire_at(500 * TICK + 999), WHEEL_NONE);
    assert_int_equal(expire_at(501 * TICK), 0);
    free(things);
}

/* A handler that re-arms itself for now cannot hold up a turn. */
static void rearming_now_does_not_spin(void **state)
{
    struct thing *things = things_new(1, 0);
    unsigned fired = 0;

    (void)state;
    wheel_add(&wheel, 0, (struct usec){.us = 10 * TICK});
    while (expire_at(20 * TICK) == 0) {
        fired++;
        wheel_add(&wheel, 0, (struct usec){.us = 0});
    }
    /* Once for each tick that had passed, then the next tick's. */
    assert_in_range(fired, 1, 11);
    assert_true(wheel_armed(&wheel, 0));
    free(things);
}

static void budget_is_kept_and_nothing_is_lost(void **state)
{
    enum { N = 5000 };
    struct thing *things = things_new(N, 0);
    unsigned fired = 0, turns = 0;

    (void)state;
    for (uint32_t i = 0; i < N; i++)
        wheel_add(&wheel, i, (struct usec){.us = 300000ull * TICK});
    while (fired < N) {
        uint32_t budget = 100, spent = 0;

        while (wheel_expire(&wheel, (struct usec){.us = 300001ull * TICK}, &budget) != WHEEL_NONE) {
            spent++;
            fired++;
        }
        assert_true(spent <= 100);
        if (fired < N)
            assert_int_equal(budget, 0);
        if (wheel.armed > 0)
            assert_true(wheel_next(&wheel).us <= 300001ull * TICK);
        turns++;
        assert_true(turns < 5 * N / 100 + 10); /* each node moves down a few levels at most */
    }
    assert_int_equal(wheel.armed, 0);
    free(things);
}

/* Cancelling in the middle of a cascade and of a due list. */
static void cancel_everywhere(void **state)
{
    enum { N = 300 };
    struct thing *things = things_new(N, 0);
    uint32_t budget, index;
    unsigned fired = 0;

    (void)state;
    for (uint32_t i = 0; i < N; i++)
        wheel_add(&wheel, i, (struct usec){.us = 5000ull * TICK});
    for (uint32_t i = 0; i < N; i += 3)
        wheel_cancel(&wheel, i);
    wheel_cancel(&wheel, 0); /* harmless where idle */
    budget = 50;             /* stops inside the cascade */
    assert_int_equal(wheel_expire(&wheel, (struct usec){.us = 5000ull * TICK}, &budget),
                     WHEEL_NONE);
    for (uint32_t i = 1; i < N; i += 3)
        wheel_cancel(&wheel, i);
    budget = 1000;
    while ((index = wheel_expire(&wheel, (struct usec){.us = 5000ull * TICK}, &budget)) !=
           WHEEL_NONE) {
        assert_int_equal(index % 3, 2);
        fired++;
        if (fired == 10) { /* a handler cancels a neighbour that is due as well */
            uint32_t other = index > 2 ? index - 3 : index + 3;

            if (wheel_armed(&wheel, other)) {
                wheel_cancel(&wheel, other);
                fired++;
            }
        }
    }
    assert_int_equal(fired, N / 3);
    assert_int_equal(wheel.armed, 0);
    free(things);
}

static void seeded_walk_against_a_plain_array(void **state)
{
    enum { N = 400 };
    static uint64_t due[N]; /* 0: idle */
    struct rand r;
    uint64_t now = 123456789;
    struct thing *things = things_new(N, now);
    unsigned fired = 0;

    (void)state;
    rand_seed(&r, 42, 0);
    for (int step = 0; step < 20000; step++) {
        uint32_t i = (uint32_t)rand_below(&r, N), index, budget = 10000;

        if (rand_chance(&r, 200000)) {
            wheel_cancel(&wheel, i);
            due[i] = 0;
        } else {
            due[i] = now + rand_below(&r, 1ull << rand_between(&r, 1, 34)) + 1;
            wheel_add(&wheel, i, (struct usec){.us = due[i]});
        }
        if (wheel_next(&wheel).us != UINT64_MAX && rand_chance(&r, 300000)) {
            uint64_t next = wheel_next(&wheel).us;

            for (uint32_t k = 0; k < N; k++) /* nothing is due before next */
                assert_true(due[k] == 0 || due[k] / TICK + 2 > next / TICK);
        }
        now += rand_below(&r, 1ull << rand_between(&r, 1, 24));
        while ((index = wheel_expire(&wheel, (struct usec){.us = now}, &budget)) != WHEEL_NONE) {
            assert_true(due[index] != 0 && due[index] <= now);
            due[index] = 0;
            fired++;
        }
        for (uint32_t k = 0; k < N; k += 7) {
            assert_int_equal(wheel_armed(&wheel, k), due[k] != 0);
            assert_true(due[k] == 0 || due[k] + TICK > now);
        }
    }
    assert_true(fired > 5000);
    free(things);
}

static void a_million_timers(void **state)
{
    enum { N = 1000000 };
    struct thing *things = things_new(N, 0);
    struct rand r;
    uint32_t fired = 0, budget = UINT32_MAX;

    (void)state;
    rand_seed(&r, 9, 9);
    for (uint32_t i = 0; i < N; i++)
        wheel_add(&wheel, i, (struct usec){.us = rand_below(&r, 3600ull * 1000000)});
    assert_int_equal(wheel.armed, N);
    while (wheel_expire(&wheel, (struct usec){.us = 3601ull * 1000000}, &budget) != WHEEL_NONE)
        fired++;
    assert_int_equal(fired, N);
    /* Each timer cost one, and at most one move for each level below its first. */
    assert_true(UINT32_MAX - budget <= 5u * N);
    free(things);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_timer_at_every_distance),
        cmocka_unit_test(farthest_time_is_never),
        cmocka_unit_test(past_due_fires_in_the_next_tick),
        cmocka_unit_test(rearming_now_does_not_spin),
        cmocka_unit_test(budget_is_kept_and_nothing_is_lost),
        cmocka_unit_test(cancel_everywhere),
        cmocka_unit_test(seeded_walk_against_a_plain_array),
        cmocka_unit_test(a_million_timers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

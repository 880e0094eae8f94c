/* Goal: waits come due in order; destinations take turns; no cap is passed.  Method: the heap
 * against a sorted array over random histories; lines by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base_rand.h"
#include "queue_index.h"
#include "queue_retry.h"
#include "queue_route.h"
#include "queue_sched.h"

static void waits_come_due_in_order(void **state)
{
    struct sched *s = sched_new(10, 5);
    static struct sched_wait waits[500];
    struct rand rand;
    struct usec next;

    (void)state;
    rand_seed(&rand, 3, 3);
    for (int i = 0; i < 500; i++)
        waits[i].at = WAIT_NOT;
    for (int round = 0; round < 20000; round++) {
        struct sched_wait *w = &waits[rand_below(&rand, 500)];

        if (rand_below(&rand, 3) == 0)
            sched_unwait(s, w);
        else
            sched_wait(s, w, (struct usec){rand_below(&rand, 10000)});
    }
    uint64_t last = 0;
    uint32_t left = sched_waiting(s);

    assert_null(sched_due(s, (struct usec){0}));
    while (sched_next(s, &next)) {
        struct sched_wait *w;

        if (next.us > 0)
            assert_null(sched_due(s, (struct usec){next.us - 1}));
        w = sched_due(s, next);
        assert_non_null(w);
        assert_true(w->due_us >= last && w->at == WAIT_NOT);
        last = w->due_us;
        left--;
    }
    assert_int_equal(left, 0);
    sched_free(s);
}

static struct message one; /* only its address is used */

static struct job *job_for(struct sched *s, const char *name)
{
    struct job *job = calloc(1, sizeof(*job) + sizeof(uint32_t));

    job->message = &one;
    sched_push(s, span_str(name), job);
    return job;
}

static void destinations_take_turns_within_their_caps(void **state)
{
    struct sched *s = sched_new(7, 3);
    struct job *slow[10], *fast[10], *got[10];

    (void)state;
    for (int i = 0; i < 10; i++)
        slow[i] = job_for(s, "slow");
    for (int i = 0; i < 10; i++)
        fast[i] = job_for(s, "fast");
    for (int i = 0; i < 6; i++) {
        got[i] = sched_pick(s);
        assert_ptr_equal(got[i], i % 2 == 0 ? slow[i / 2] : fast[i / 2]);
    }
    assert_null(sched_pick(s)); /* three each */
    job_for(s, "third");
    got[6] = sched_pick(s);
    assert_non_null(got[6]);
    assert_null(sched_pick(s)); /* seven in all */
    sched_done(s, got[1]);      /* fast */
    free(got[1]);
    struct job *next = sched_pick(s);

    assert_non_null(next);
    sched_put_back(s, next);
    assert_ptr_equal(sched_pick(s), next);
    assert_int_equal(sched_active(s), 7);
    fast[5]->message = NULL; /* void: freed on the way */
    for (int i = 0; i < 7; i++)
        if (i != 1) {
            sched_done(s, got[i]);
            free(got[i]);
        }
    sched_done(s, next);
    free(next);
    for (uint32_t n = sched_ready(s); sched_ready(s) > 0; n--) {
        struct job *job = sched_pick(s);

        assert_non_null(job);
        assert_true(n > 0);
        sched_done(s, job);
        free(job);
    }
    sched_free(s);
}

static void more_destinations_than_known_share_a_line(void **state)
{
    struct sched *s = sched_new(100000, 2);
    char name[32];
    uint32_t active = 0;

    (void)state;
    for (uint32_t i = 0; i < DESTINATIONS_MAX + 50; i++) {
        snprintf(name, sizeof(name), "d%u", i);
        job_for(s, name);
    }
    for (struct job *job; (job = sched_pick(s)) != NULL; active++)
        free(job); /* still active as far as the line knows */
    assert_int_equal(active, DESTINATIONS_MAX + 2);
    sched_free(s);
}

static void backoff_doubles_to_its_maximum(void **state)
{
    const struct retry retry = {1000000, 60000000, 100000000};

    (void)state;
    for (uint32_t attempts = 1; attempts < 200; attempts++) {
        uint64_t want = attempts > 6 ? 60000000 : 1000000ull << (attempts - 1);

        for (uint64_t r = 0; r < 50; r++) {
            uint64_t got = retry_wait_us(&retry, attempts, r * 0x9e3779b97f4a7c15ull);

            assert_in_range(got, want - want / 10, want + want / 10);
        }
    }
    assert_int_equal(retry_wait_us(&(struct retry){1, 1, 1}, 5, 3), 1);
    assert_true(retry_wait_us(&(struct retry){1ull << 62, UINT64_MAX / 2, 1}, 5, 3) > 0);
}

static void expiry_leaves_one_last_attempt(void **state)
{
    const struct retry retry = {1000000, 60000000, 100000000};

    (void)state;
    assert_in_range(retry_next(&retry, 500, 500, 1, 0), 900500, 1100500);
    assert_int_equal(retry_next(&retry, 500, 100000000, 9, 0), 100000500); /* the very end */
    assert_int_equal(retry_next(&retry, 500, 100000500, 9, 0), 0);
    assert_int_equal(retry_next(&(struct retry){1, 2, UINT64_MAX}, 500, 600, 9, 0) > 600, 1);
}

static void servers_are_drawn_by_weight_and_rotate(void **state)
{
    const uint32_t weights[3] = {8, 1, 1};
    uint32_t first[3] = {0};

    (void)state;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        bool seen[3] = {false};

        for (uint32_t k = 0; k < 3; k++) {
            uint32_t at = route_choose(weights, 3, seed, k);

            assert_true(at < 3 && !seen[at]);
            seen[at] = true;
            first[at] += k == 0;
        }
        assert_int_equal(route_choose(weights, 3, seed, 3), route_choose(weights, 3, seed, 0));
    }
    assert_in_range(first[0], 1450, 1750);
    assert_int_equal(route_choose((const uint32_t[]){0}, 1, 5, 9), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_come_due_in_order),
        cmocka_unit_test(destinations_take_turns_within_their_caps),
        cmocka_unit_test(more_destinations_than_known_share_a_line),
        cmocka_unit_test(backoff_doubles_to_its_maximum),
        cmocka_unit_test(expiry_leaves_one_last_attempt),
        cmocka_unit_test(servers_are_drawn_by_weight_and_rotate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Goal: a message's whole way, ring to disk to delivery, with every verdict the contract names.
 * Method: the whole queue over a simulated disk; nothing but its public behaviour is looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue_house.h"

static const enum attempt_result delivered[] = {ATTEMPT_DELIVERED};
static const enum attempt_result deferred[] = {ATTEMPT_DEFERRED};
static const enum attempt_result failed[] = {ATTEMPT_FAILED};
static const enum attempt_result mixed[] = {ATTEMPT_DELIVERED, ATTEMPT_DEFERRED, ATTEMPT_FAILED};

struct fixture {
    struct disk disk;
    struct house h;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    disk_init(&f->disk, 1);
    house_init(&f->h, &f->disk);
    assert_int_equal(house_open(&f->h), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    house_close(&f->h, false);
    disk_done(&f->disk);
    free(f);
    return 0;
}

static void restart(struct fixture *f)
{
    house_close(&f->h, false);
    assert_int_equal(house_open(&f->h), 0);
}

static void a_message_is_durable_then_delivered(void **state)
{
    struct fixture *f = *state;
    uint64_t syncs = f->disk.synced;

    house_message(&f->h, 100, "a@r1.test", 3000, 16384);
    assert_int_equal(house_verdict(&f->h, 100), SPOOL_DURABLE);
    assert_true(f->disk.synced > syncs);
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, 0); /* no delivery process yet: it waits */
    queue_deliver_here(f->h.q, &f->h.port);
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, 1);
    struct attempt a = house_attempt(&f->h.packets[0]);

    assert_int_equal(a.head.message, 100);
    assert_int_equal(a.head.session, 101);
    assert_int_equal(a.head.content_bytes, 3000);
    assert_true(span_equal(a.sender, span_str("sender@s.test")));
    assert_true(span_equal(a.recipients[0], span_str("a@r1.test")));
    assert_true(house_read(&f->h, &f->h.packets[0], &a));
    house_outcome(&f->h, 0, delivered, 1);
    house_settle(&f->h);
    assert_int_equal(index_count(f->h.q->index), 0);
    restart(f);
    assert_int_equal(index_count(f->h.q->index), 0);
}

static void every_chunk_comes_back(void **state)
{
    struct fixture *f = *state;
    struct spool_answer a;
    uint32_t backs = 0, durable = 0;

    house_message(&f->h, 5, "a@r1.test", 40000, 1000);
    for (int i = 0; i < 100; i++)
        house_turn(&f->h);
    while (ring_get(&f->h.to_worker, &a, 1) == 1) {
        backs += a.chunk != IPC_NO_CHUNK;
        durable += a.type == SPOOL_DURABLE;
    }
    assert_int_equal(backs, f->h.chunk);
    assert_int_equal(durable, 1);
}

static void cuts_do_not_matter(void **state)
{
    static const uint32_t cuts[] = {1, 7, 71, 72, 73, 150, 4096, 16384};
    struct fixture *f = *state;

    queue_deliver_here(f->h.q, &f->h.port);
    for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
        size_t n = cuts[i] < 10 ? 300 : 20000;

        house_message(&f->h, 1000 + i, "a@r1.test b@r1.test", n, cuts[i]);
        assert_int_equal(house_verdict(&f->h, 1000 + i), SPOOL_DURABLE);
        house_settle(&f->h);
        assert_int_equal(f->h.packets_n, 1);
        struct attempt a = house_attempt(&f->h.packets[0]);

        assert_int_equal(a.head.recipients, 2);
        assert_true(house_read(&f->h, &f->h.packets[0], &a));
        house_outcome(&f->h, 0, delivered, 1);
    }
}

static void outcomes_are_kept_per_recipient(void **state)
{
    struct fixture *f = *state;
    struct message *m;

    queue_deliver_here(f->h.q, &f->h.port);
    house_message(&f->h, 9, "ok@r1.test later@r1.test never@r1.test", 100, 16384);
    assert_int_equal(house_verdict(&f->h, 9), SPOOL_DURABLE);
    house_settle(&f->h);
    house_outcome(&f->h, 0, mixed, 3);
    house_settle(&f->h);
    for (int round = 0; round < 2; round++) {
        m = index_find(f->h.q->index, 9);
        assert_non_null(m);
        assert_int_equal(m->recipients[0].state, RECIPIENT_DELIVERED);
        assert_int_equal(m->recipients[1].state, RECIPIENT_WAITING);
        assert_int_equal(m->recipients[1].attempts, 1);
        assert_string_equal(m->recipients[1].reason, "said so");
        assert_true(m->recipients[1].next_us > f->h.wall_us);
        assert_int_equal(m->recipients[2].state, RECIPIENT_HELD);
        assert_int_equal(m->recipients[2].code, 550);
        if (round == 0)
            restart(f); /* the same again, from the log */
    }
    queue_deliver_here(f->h.q, &f->h.port);
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, 0); /* its time is kept over the restart */
    house_pass(&f->h, 2000000);
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, 1);
    struct attempt a = house_attempt(&f->h.packets[0]);

    assert_int_equal(a.head.recipients, 1);
    assert_true(span_equal(a.recipients[0], span_str("later@r1.test")));
    house_outcome(&f->h, 0, delivered, 1);
    house_settle(&f->h);
    assert_int_equal(index_count(f->h.q->index), 1); /* the failed one is held, not dropped */
}

static void recipients_are_cut_by_route_and_number(void **state)
{
    static char recipients[8000];
    struct fixture *f = *state;
    size_t at = 0;
    uint32_t sizes[3] = {0}, total = 0;

    for (int i = 0; i < 250; i++)
        at += (size_t)snprintf(recipients + at, sizeof(recipients) - at, "u%d@r%d.test ", i, i % 2);
    recipients[at - 1] = '\0';
    queue_deliver_here(f->h.q, &f->h.port);
    house_message(&f->h, 9, recipients, 100, 16384);
    assert_int_equal(house_verdict(&f->h, 9), SPOOL_DURABLE);
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, 4); /* 125 each way, at most 100 at once */
    while (f->h.packets_n > 0) {
        struct attempt a = house_attempt(&f->h.packets[0]);

        total += a.head.recipients;
        sizes[a.head.recipients == 100 ? 0 : a.head.recipients == 25 ? 1 : 2]++;
        house_outcome(&f->h, 0, delivered, 1);
    }
    assert_int_equal(total, 250);
    assert_int_equal(sizes[0], 2);
    assert_int_equal(sizes[1], 2);
    house_settle(&f->h);
    assert_int_equal(index_count(f->h.q->index), 0);
}

static void no_policy_keeps_and_attempts_nothing(void **state)
{
    struct fixture *f = *state;

    route_done(&f->h.q->route);
    queue_deliver_here(f->h.q, &f->h.port);
    house_message(&f->h, 9, "a@r1.test", 100, 16384);
    assert_int_equal(house_verdict(&f->h, 9), SPOOL_DURABLE);
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, 0);
    assert_int_equal(index_find(f->h.q->index, 9)->recipients[0].attempts, 0);
    route_use(&f->h.q->route, "image", 5, &f->h.why);
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, 1);
}

static void no_route_defers(void **state)
{
    struct fixture *f = *state;

    queue_deliver_here(f->h.q, &f->h.port);
    house_message(&f->h, 9, "a@nowhere.example b@r1.test", 100, 16384);
    assert_int_equal(house_verdict(&f->h, 9), SPOOL_DURABLE);
    house_settle(&f->h);
    struct recipient *r = index_find(f->h.q->index, 9)->recipients;

    assert_string_equal(r[0].reason, "no route for this domain");
    assert_int_equal(r[0].status[0], 4);
    assert_int_equal(f->h.packets_n, 1);
}

static void discard_ends_here(void **state)
{
    struct fixture *f = *state;

    queue_deliver_here(f->h.q, &f->h.port);
    for (uint64_t i = 0; i < 300; i++)
        house_message(&f->h, 10 + i, "a@discard.test", 500, 16384);
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, 0);
    assert_int_equal(index_count(f->h.q->index), 0);
    assert_int_equal(count_get(&f->h.q->report.counters[Q_DISCARDED]), 300);
    assert_true(count_get(&f->h.q->report.counters[Q_DISCARDED_DIGEST]) > 0);
}

static void a_lost_delivery_process_costs_no_delay(void **state)
{
    struct fixture *f = *state;

    queue_deliver_here(f->h.q, &f->h.port);
    house_message(&f->h, 9, "a@r1.test", 100, 16384);
    assert_int_equal(house_verdict(&f->h, 9), SPOOL_DURABLE);
    for (uint32_t i = 0; i < CRASHES_FREE; i++) {
        house_settle(&f->h);
        assert_int_equal(f->h.packets_n, 1);
        house_drop_packets(&f->h);
        queue_deliver_gone(f->h.q);
        assert_int_equal(index_find(f->h.q->index, 9)->recipients[0].attempts, 0);
        queue_deliver_here(f->h.q, &f->h.port);
    }
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, 1);
    house_drop_packets(&f->h);
    queue_deliver_gone(f->h.q); /* once more: perhaps it is this message that kills it */
    assert_int_equal(index_find(f->h.q->index, 9)->recipients[0].attempts, 1);
}

static void what_was_under_way_at_a_restart_is_retried_at_once(void **state)
{
    struct fixture *f = *state;

    queue_deliver_here(f->h.q, &f->h.port);
    house_message(&f->h, 9, "a@r1.test", 100, 16384);
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, 1);
    restart(f);
    queue_deliver_here(f->h.q, &f->h.port);
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, 1);
}

static void stale_and_foreign_outcomes_change_nothing(void **state)
{
    struct fixture *f = *state;
    uint8_t packet[1024];
    static struct outcome o;
    size_t n;

    queue_deliver_here(f->h.q, &f->h.port);
    house_message(&f->h, 9, "a@r1.test", 100, 16384);
    house_settle(&f->h);
    struct attempt a = house_attempt(&f->h.packets[0]);
    const struct outcome_head heads[] = {
        {.attempt = a.head.attempt + 256,  .message = 9,  .recipients = 1, .abi = IPC_ABI},
        {.attempt = a.head.attempt,        .message = 10, .recipients = 1, .abi = IPC_ABI},
        {.attempt = a.head.attempt,        .message = 9,  .recipients = 2, .abi = IPC_ABI},
        {.attempt = a.head.attempt | 0xff, .message = 9,  .recipients = 1, .abi = IPC_ABI},
        {.attempt = 0,                     .message = 9,  .recipients = 1, .abi = IPC_ABI}
    };

    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        memset(&o, 0, sizeof(o));
        o.head = heads[i];
        o.remote = span_str("");
        for (int r = 0; r < 2; r++)
            o.recipients[r] = (struct outcome_recipient){
                .result = ATTEMPT_DELIVERED, .status = {2, 0, 0},
                     .text = span_str("")
            };
        n = outcome_write(packet, sizeof(packet), &o);
        queue_outcome(f->h.q, span_of(packet, n));
    }
    queue_outcome(f->h.q, span_str("rubbish"));
    assert_int_equal(count_get(&f->h.q->report.counters[Q_BAD_OUTCOMES]), ARRAY_LEN(heads) + 1);
    assert_int_equal(index_find(f->h.q->index, 9)->recipients[0].state, RECIPIENT_WAITING);
    house_outcome(&f->h, 0, delivered, 1);
    house_settle(&f->h);
    assert_int_equal(index_count(f->h.q->index), 0);
}

static void an_answer_that_never_comes_is_given_up(void **state)
{
    struct fixture *f = *state;

    queue_deliver_here(f->h.q, &f->h.port);
    f->h.settings.retry.expire_us = f->h.q->settings.retry.expire_us = ATTEMPT_DEADLINE_US * 10;
    house_message(&f->h, 9, "a@r1.test", 100, 16384);
    house_settle(&f->h);
    house_pass(&f->h, ATTEMPT_DEADLINE_US);
    house_turn(&f->h);
    assert_int_equal(index_find(f->h.q->index, 9)->recipients[0].attempts, 1);
    house_outcome(&f->h, 0, delivered, 1); /* too late */
    assert_int_equal(index_find(f->h.q->index, 9)->recipients[0].state, RECIPIENT_WAITING);
}

static void recipients_expire_into_held(void **state)
{
    struct fixture *f = *state;
    struct recipient *r;
    uint32_t rounds = 0;

    queue_deliver_here(f->h.q, &f->h.port);
    house_message(&f->h, 9, "a@r1.test", 100, 16384);
    for (;; rounds++) {
        house_settle(&f->h);
        r = index_find(f->h.q->index, 9)->recipients;
        if (r->state == RECIPIENT_HELD)
            break;
        assert_true(rounds < 200);
        if (f->h.packets_n == 0)
            house_pass(&f->h, 30000000);
        else
            house_outcome(&f->h, 0, deferred, 1);
    }
    assert_true(f->h.wall_us - index_find(f->h.q->index, 9)->stored_us >= 3600000000ull);
    assert_true(rounds > 50);
    (void)failed;
}

static void a_busy_port_holds_jobs_back(void **state)
{
    struct fixture *f = *state;

    f->h.port_error = -EAGAIN;
    queue_deliver_here(f->h.q, &f->h.port);
    house_message(&f->h, 9, "a@r1.test", 100, 16384);
    house_settle(&f->h);
    assert_true(f->h.q->attempts.blocked);
    f->h.port_error = 0;
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, 1);
}

static void a_new_policy_cuts_jobs_anew(void **state)
{
    struct fixture *f = *state;

    queue_deliver_here(f->h.q, &f->h.port);
    f->h.port_error = -EAGAIN;
    house_message(&f->h, 9, "a@r1.test b@r2.test", 100, 16384);
    house_settle(&f->h);
    fake_generation++;
    route_use(&f->h.q->route, "image", 5, &f->h.why);
    f->h.port_error = 0;
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, 2);
    assert_int_equal(index_find(f->h.q->index, 9)->recipients[0].attempts, 0);
}

static void a_wall_clock_set_back_strands_nothing(void **state)
{
    struct fixture *f = *state;

    queue_deliver_here(f->h.q, &f->h.port);
    house_message(&f->h, 9, "a@r1.test", 100, 16384);
    house_settle(&f->h);
    house_outcome(&f->h, 0, deferred, 1);
    f->h.wall_us -= 100ull * 86400 * 1000000;
    for (int i = 0; i < 10 && f->h.packets_n == 0; i++) {
        house_pass(&f->h, f->h.settings.retry.maximum_us);
        house_settle(&f->h);
    }
    assert_int_equal(f->h.packets_n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_message_is_durable_then_delivered),
        T(every_chunk_comes_back),
        T(cuts_do_not_matter),
        T(outcomes_are_kept_per_recipient),
        T(recipients_are_cut_by_route_and_number),
        T(no_policy_keeps_and_attempts_nothing),
        T(no_route_defers),
        T(discard_ends_here),
        T(a_lost_delivery_process_costs_no_delay),
        T(what_was_under_way_at_a_restart_is_retried_at_once),
        T(stale_and_foreign_outcomes_change_nothing),
        T(an_answer_that_never_comes_is_given_up),
        T(recipients_expire_into_held),
        T(a_busy_port_holds_jobs_back),
        T(a_new_policy_cuts_jobs_anew),
        T(a_wall_clock_set_back_strands_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

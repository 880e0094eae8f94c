/* Goal: full disk, full log, full index: new mail gets 452, queued mail goes out, and it opens
 * again by itself (G7); one deferred recipient pins no disk.  Method: small limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue_change.h"
#include "queue_house.h"

static const enum attempt_result delivered[] = {ATTEMPT_DELIVERED};
static const enum attempt_result deferred[] = {ATTEMPT_DEFERRED};

struct fixture {
    struct disk disk;
    struct house h;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    disk_init(&f->disk, 1);
    house_init(&f->h, &f->disk);
    f->h.settings.limit_bytes = 16 * 128 * 1024;
    assert_int_equal(house_open(&f->h), 0);
    house_settle(&f->h);
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

/* Sends until refused; how many went in. */
static uint32_t fill(struct house *h, uint64_t first, size_t content)
{
    for (uint32_t n = 0; n < 5000; n++) {
        struct spool_answer a = {0};

        house_message(h, first + n, "a@r1.test", content, 16384);
        for (int i = 0; i < 100 && a.type == 0; i++) {
            house_turn(h);
            while (house_answer(h, &a))
                ;
        }
        if (a.type == SPOOL_REFUSED) {
            assert_int_equal(a.reason, SPOOL_FULL);
            return n;
        }
        assert_int_equal(a.type, SPOOL_DURABLE);
    }
    return UINT32_MAX;
}

static int state_said(struct house *h)
{
    struct spool_answer a;
    int said = -1;

    while (ring_get(&h->to_worker, &a, 1) == 1)
        if (a.type == SPOOL_STATE)
            said = (int)a.reason;
    return said;
}

static void deliver_all(struct house *h)
{
    for (int i = 0; i < 100; i++) {
        house_settle(h);
        if (h->packets_n == 0)
            return;
        while (h->packets_n > 0)
            house_outcome(h, 0, delivered, 1);
    }
}

static uint64_t figure(const struct fixture *f, enum queue_counter c)
{
    return count_get(&f->h.q->report.counters[c]);
}

static void a_full_log_shuts_and_opens(void **state)
{
    struct fixture *f = *state;
    uint32_t n = fill(&f->h, 100, 12000);
    struct qlog_figures figures;

    assert_in_range(n, 100, 200); /* 14 segments of 128 KiB */
    assert_true(f->h.q->room.shut);
    assert_int_equal(figure(f, Q_SHUT_BYTES), 1);
    (void)house_verdict(&f->h, 1); /* reads all */
    qlog_figures(f->h.q->log, &figures);
    assert_true(figures.segments + figures.spares <= 16);
    queue_deliver_here(f->h.q, &f->h.port);
    deliver_all(&f->h);
    house_settle(&f->h);
    assert_false(f->h.q->room.shut);
    assert_int_equal(state_said(&f->h), SPOOL_OK);
    assert_true(fill(&f->h, 5000, 12000) >= n - 20);
}

static void shut_is_said_to_the_workers(void **state)
{
    struct fixture *f = *state;
    struct spool_answer a;
    bool shut = false;

    for (uint32_t n = 0; n < 300; n++) {
        house_message(&f->h, 100 + n, "a@r1.test", 12000, 16384);
        for (int i = 0; i < 10; i++)
            house_turn(&f->h);
        while (ring_get(&f->h.to_worker, &a, 1) == 1)
            if (a.type == SPOOL_STATE)
                shut = a.reason == SPOOL_FULL;
    }
    assert_true(shut);
}

static void the_number_of_messages_is_limited(void **state)
{
    struct fixture *f = *state;

    f->h.q->settings.limit_messages = 32;
    assert_int_equal(fill(&f->h, 100, 10), 32);
    assert_int_equal(figure(f, Q_SHUT_MESSAGES), 1);
    queue_deliver_here(f->h.q, &f->h.port);
    for (int i = 0; i < 5 && f->h.packets_n == 0; i++)
        house_settle(&f->h);
    house_outcome(&f->h, 0, delivered, 1);
    house_settle(&f->h);
    assert_true(f->h.q->room.shut); /* not for one: it would flap */
    deliver_all(&f->h);
    assert_false(f->h.q->room.shut);
}

static void a_full_disk_lets_queued_mail_out(void **state)
{
    struct fixture *f = *state;
    uint32_t n;

    f->disk.capacity = 6 * 128 * 1024;
    n = fill(&f->h, 100, 12000);
    assert_in_range(n, 20, 60);
    assert_int_equal(figure(f, Q_SHUT_DISK), 1);
    assert_int_equal(figure(f, Q_SHUT_BYTES), 0);
    queue_deliver_here(f->h.q, &f->h.port);
    deliver_all(&f->h); /* outcomes have the last spare segment */
    assert_int_equal(index_count(f->h.q->index), 0);
    house_pass(&f->h, 20000000);
    house_settle(&f->h);
    assert_true(fill(&f->h, 5000, 12000) > 5);
}

/* The disk never gets room again: the files there are must do, round after round, wherever in the
 * last one the mail was shut out. */
static void a_full_disk_opens_when_the_queue_is_empty(void **state)
{
    struct fixture *f = *state;
    uint64_t id = 100;

    queue_deliver_here(f->h.q, &f->h.port);
    house_message(&f->h, 1, "a@r1.test", 100, 16384);
    deliver_all(&f->h);
    f->disk.capacity = disk_used(&f->disk);
    for (size_t round = 0; round < 40; round++) {
        uint32_t n = fill(&f->h, id, 3000 + round * 900);

        assert_in_range(n, 1, 100);
        assert_true(f->h.q->room.shut);
        id += n + 1;
        deliver_all(&f->h);
        assert_int_equal(index_count(f->h.q->index), 0);
        assert_false(f->h.q->room.shut);
    }
}

static void the_reserve_is_left_to_others(void **state)
{
    struct fixture *f = *state;

    f->disk.capacity = 20 * 128 * 1024;
    f->h.q->settings.reserve_bytes = 12 * 128 * 1024;
    f->h.q->room.looked.us = 0;
    (void)fill(&f->h, 100, 12000);
    assert_true(f->disk.capacity - disk_used(&f->disk) >= 11 * 128 * 1024);
    house_pass(&f->h, 2000000); /* looked at once a second */
    house_settle(&f->h);
    assert_int_equal(figure(f, Q_SHUT_DISK), 1);
    assert_int_equal(figure(f, Q_DISK_LOW), 1);
    assert_int_equal(figure(f, Q_DISK_FREE), f->disk.capacity - disk_used(&f->disk));
}

static void one_deferred_message_pins_no_disk(void **state)
{
    struct fixture *f = *state;
    struct qlog_figures figures;
    struct message *m;

    f->h.q->settings.retry = (struct retry){3600000000ull, 3600000000ull, UINT64_MAX / 4};
    queue_deliver_here(f->h.q, &f->h.port);
    house_message(&f->h, 7, "late@r1.test", 5000, 16384);
    house_settle(&f->h);
    house_outcome(&f->h, 0, deferred, 1);
    for (uint64_t id = 100; id < 2000; id++) { /* many times the limit goes through */
        house_message(&f->h, id, "a@r1.test", 9000, 16384);
        if (id % 16 == 0)
            deliver_all(&f->h);
        assert_false(f->h.q->room.shut);
    }
    deliver_all(&f->h);
    qlog_figures(f->h.q->log, &figures);
    assert_true(figures.segments <= 5);
    m = index_find(f->h.q->index, 7);
    assert_non_null(m);
    assert_true(m->body.copy > 0);
    assert_int_equal(m->recipients[0].attempts, 1);
    house_close(&f->h, false);
    assert_int_equal(house_open(&f->h), 0);
    m = index_find(f->h.q->index, 7);
    assert_non_null(m);
    assert_int_equal(m->recipients[0].attempts, 1); /* carried along with the copy */
    assert_string_equal(m->recipients[0].reason, "said so");
    queue_deliver_here(f->h.q, &f->h.port);
    house_pass(&f->h, 4000000000ull);
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, 1);
    struct attempt a = house_attempt(&f->h.packets[0]);

    assert_true(house_read(&f->h, &f->h.packets[0], &a));
}

/* DONE and then the COMMIT of a copy would bring the message back at the next start. */
static void what_ends_while_it_is_copied_stays_ended(void **state)
{
    struct fixture *f = *state;
    const struct filter seven = {.id = 7};
    bool caught = false;

    f->h.q->settings.retry = (struct retry){3600000000ull, 3600000000ull, UINT64_MAX / 4};
    queue_deliver_here(f->h.q, &f->h.port);
    house_message(&f->h, 7, "late@r1.test", 400000, 16384);
    house_settle(&f->h);
    house_outcome(&f->h, 0, deferred, 1);
    for (uint64_t id = 100; id < 400 && !caught; id++) {
        house_message(&f->h, id, "a@discard.test", 9000, 16384);
        for (int i = 0; i < 6 && !caught; i++) {
            house_turn(&f->h);
            caught = f->h.q->sweep.body != NULL && f->h.q->sweep.body->message == 7;
        }
    }
    assert_true(caught);
    assert_int_equal(change_delete(f->h.q, index_find(f->h.q->index, 7), &seven), 1);
    assert_null(f->h.q->sweep.body);
    house_settle(&f->h);
    assert_int_equal(index_count(f->h.q->index), 0);
    house_close(&f->h, false);
    assert_int_equal(house_open(&f->h), 0);
    assert_int_equal(index_count(f->h.q->index), 0);
}

static void a_slow_client_pins_no_disk(void **state)
{
    struct fixture *f = *state;
    struct spool_ask slow = house_data(&f->h, 7, "s@s.test", "a@r1.test", 20000, 5000);
    uint8_t last[IPC_CHUNK_BYTES];
    struct qlog_figures figures;

    memcpy(last, ipc_chunk(&f->h.region, IPC_CHUNKS - 1), slow.bytes);
    queue_deliver_here(f->h.q, &f->h.port);
    for (uint64_t id = 100; id < 1000; id++) {
        house_message(&f->h, id, "a@r1.test", 9000, 16384);
        if (id % 16 == 0)
            deliver_all(&f->h);
        assert_false(f->h.q->room.shut);
    }
    deliver_all(&f->h);
    qlog_figures(f->h.q->log, &figures);
    assert_true(figures.segments <= 5);
    house_ask(&f->h, &slow, last, slow.bytes); /* and then it ends well */
    assert_int_equal(house_verdict(&f->h, 7), SPOOL_DURABLE);
    house_close(&f->h, false);
    assert_int_equal(house_open(&f->h), 0);
    queue_deliver_here(f->h.q, &f->h.port);
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, 1);
    struct attempt a = house_attempt(&f->h.packets[0]);

    assert_true(house_read(&f->h, &f->h.packets[0], &a));
}

static void a_message_over_too_many_segments_is_gathered(void **state)
{
    struct fixture *f = *state;
    struct house *h = &f->h;
    struct spool_ask ask;
    uint8_t *last = malloc(IPC_CHUNK_BYTES);
    uint64_t id = 1000;

    house_close(h, false);
    h->settings.limit_bytes = 400ull * 128 * 1024;
    assert_int_equal(house_open(h), 0);
    /* One piece at a time, with a segment's worth of other mail between them. */
    static uint8_t stream[ATTEMPT_SEGMENTS_MAX * 600 + 8000];
    size_t n, at = 0;

    ask = (struct spool_ask){.message = 7, .session = handle_make(0, 1, 1)};
    n = house_envelope(stream, 2000, 7, "s@s.test", "a@r1.test", &ask.recipients);
    ask.envelope_bytes = (uint32_t)n;
    house_content(7, stream + n, (ATTEMPT_SEGMENTS_MAX + 6) * 500);
    ask.total_bytes = n + (ATTEMPT_SEGMENTS_MAX + 6) * 500;
    ask.type = SPOOL_DATA;
    while (ask.total_bytes - at > 500) {
        house_ask(h, &ask, stream + at, 500);
        at += 500;
        for (int i = 0; i < 9; i++) /* they stay: the segments are not sparse */
            house_message(h, id++, "b@r2.test", 14000, 16384);
        house_settle(h);
    }
    ask.type = SPOOL_COMMIT;
    house_ask(h, &ask, stream + at, (uint32_t)(ask.total_bytes - at));
    assert_int_equal(house_verdict(h, 7), SPOOL_DURABLE);
    assert_true(body_segments(&index_find(h->q->index, 7)->body, 200) > ATTEMPT_SEGMENTS_MAX);
    queue_deliver_here(h->q, &h->port);
    bool seen = false;

    for (int i = 0; i < 400 && !seen; i++) {
        house_pass(h, 500000);
        for (int t = 0; t < 20; t++)
            house_turn(h);
        while (h->packets_n > 0) {
            struct attempt a = house_attempt(&h->packets[0]);

            if (a.head.message == 7) {
                assert_true(house_read(h, &h->packets[0], &a));
                seen = true;
            }
            house_outcome(h, 0, delivered, 1);
        }
    }
    assert_true(seen);
    free(last);
}

static void never_syncs_when_told_so(void **state)
{
    struct fixture *f = *state;
    uint64_t syncs;

    house_close(&f->h, false);
    f->h.settings.sync = false;
    assert_int_equal(house_open(&f->h), 0);
    house_settle(&f->h);
    syncs = f->disk.synced;
    house_message(&f->h, 7, "a@r1.test", 5000, 16384);
    assert_int_equal(house_verdict(&f->h, 7), SPOOL_DURABLE);
    assert_int_equal(f->disk.synced, syncs);
    house_close(&f->h, false);
    assert_int_equal(house_open(&f->h), 0);
    assert_int_equal(index_count(f->h.q->index), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_full_log_shuts_and_opens),        T(shut_is_said_to_the_workers),
        T(the_number_of_messages_is_limited), T(a_full_disk_lets_queued_mail_out),
        T(a_full_disk_opens_when_the_queue_is_empty),
        T(the_reserve_is_left_to_others),     T(one_deferred_message_pins_no_disk),
        T(what_ends_while_it_is_copied_stays_ended),
        T(a_slow_client_pins_no_disk),        T(a_message_over_too_many_segments_is_gathered),
        T(never_syncs_when_told_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

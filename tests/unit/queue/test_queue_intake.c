/* Goal: the ring contract (ipc_spool.h) with a worker that breaks it, cancels, goes away.
 * Method: each breach refuses its own message and nothing else; chunks always come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue_house.h"

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

static struct spool_answer verdict(struct house *h, uint64_t id)
{
    struct spool_answer a, none = {.type = 0};

    for (int i = 0; i < 100; i++) {
        house_turn(h);
        while (house_answer(h, &a))
            if (a.message == id)
                return a;
    }
    return none;
}

/* One valid message is cut in three; then one field of one ask is spoiled. */
enum spoil {
    TYPE,
    CHUNK,
    BYTES,
    SEQUENCE,
    SESSION,
    ENVELOPE,
    RECIPIENTS,
    EPOCH,
    TOTAL,
    TOO_LONG,
    NO_BYTES,
    SPOILS
};

static void spoil_ask(struct spool_ask *ask, enum spoil what)
{
    switch (what) {
    case TYPE:
        ask->type = 99;
        break;
    case CHUNK:
        ask->chunk = IPC_CHUNKS;
        break;
    case BYTES:
        ask->bytes = IPC_CHUNK_BYTES + 1;
        break;
    case SEQUENCE:
        ask->sequence += 1;
        break;
    case SESSION:
        ask->session = handle_make(7, 7, 7);
        break;
    case ENVELOPE:
        ask->envelope_bytes = 5;
        break;
    case RECIPIENTS:
        ask->recipients = 0;
        break;
    case EPOCH:
        ask->epoch += 1;
        break;
    case TOTAL:
        ask->total_bytes += 1;
        break;
    case TOO_LONG:
        ask->bytes = UINT32_MAX;
        break;
    case NO_BYTES:
        ask->bytes = 0;
        break;
    case SPOILS:
        break;
    }
}

static void a_breach_refuses_its_own_message_only(void **state)
{
    struct fixture *f = *state;
    struct house *h = &f->h;
    uint64_t id = 1000;

    for (uint32_t which = 0; which < 3; which++)
        for (uint32_t what = 0; what < SPOILS; what++) {
            uint8_t bytes[600];
            struct spool_ask ask = {
                .message = ++id, .session = handle_make(0, 3, 1), .epoch = h->epoch};
            size_t n =
                house_envelope(bytes, sizeof(bytes), id, "s@s.test", "a@r1.test", &ask.recipients);
            struct spool_answer a;

            memset(bytes + n, 'x', sizeof(bytes) - n);
            ask.envelope_bytes = (uint32_t)n;
            ask.total_bytes = sizeof(bytes);
            for (uint32_t part = 0; part < 3; part++) {
                struct spool_ask one = ask;

                one.type = part == 2 ? SPOOL_COMMIT : SPOOL_DATA;
                one.sequence = part;
                one.chunk = 10 + part;
                one.bytes = 200;
                memcpy(ipc_chunk(&h->region, one.chunk), bytes + 200 * part, 200);
                if (part == which)
                    spoil_ask(&one, (enum spoil)what);
                assert_int_equal(ring_put(&h->to_peer, &one, 1), 1);
            }
            a = verdict(h, id);
            if (what == TOTAL && which < 2) { /* only COMMIT's total counts */
                assert_int_equal(a.type, SPOOL_DURABLE);
                continue;
            }
            if (a.type != SPOOL_REFUSED || a.reason != SPOOL_MALFORMED)
                fail_msg("part %u spoil %u: type %u reason %u", which, what, a.type, a.reason);
            assert_null(index_find(h->q->index, id));
            house_message(h, id + 100000, "a@r1.test", 50, 100); /* the next one is well */
            assert_int_equal(verdict(h, id + 100000).type, SPOOL_DURABLE);
        }
    for (uint32_t i = 0; i < INTAKE_WORKERS_MAX; i++)
        assert_int_equal(h->q->intake.workers[i].owed, 0);
}

static void refused_is_said_once(void **state)
{
    struct fixture *f = *state;
    struct house *h = &f->h;
    struct spool_answer a;
    uint32_t refused = 0, backs = 0;
    struct spool_ask ask = house_data(h, 50, "s@s.test", "a@r1.test", 5000, 500);

    /* A sequence from nowhere in the middle. */
    ask.sequence += 5;
    house_commit(h, &ask);
    house_settle(h);
    while (ring_get(&h->to_worker, &a, 1) == 1) {
        refused += a.type == SPOOL_REFUSED;
        backs += a.type == SPOOL_CHUNK_BACK;
    }
    assert_int_equal(refused, 1);
    assert_int_equal(backs, h->chunk);
    assert_int_equal(intake_partials(h->q), 0);
}

static void the_envelope_must_be_the_asks(void **state)
{
    struct fixture *f = *state;
    struct house *h = &f->h;

    for (uint32_t i = 0; i < ENVELOPE_HEADER_BYTES + 60; i++) {
        struct spool_ask ask = house_data(h, 500 + i, "s@s.test", "a@r1.test", 10, 16384);
        struct spool_answer a;
        uint8_t *chunk = ipc_chunk(&h->region, IPC_CHUNKS - 1);

        chunk[i] ^= 0xff;
        house_commit(h, &ask);
        a = verdict(h, 500 + i);
        assert_true(a.type == SPOOL_REFUSED || a.type == SPOOL_DURABLE);
        if (a.type == SPOOL_DURABLE) /* a byte nothing depends on: a text, an address, a time */
            assert_non_null(index_find(h->q->index, 500 + i));
    }
    struct spool_ask ask = house_data(h, 9000, "s@s.test", "a@r1.test b@r1.test", 10, 16384);

    ask.recipients = 1;
    house_commit(h, &ask);
    assert_int_equal(verdict(h, 9000).reason, SPOOL_MALFORMED);
}

static void an_id_is_taken_once(void **state)
{
    struct fixture *f = *state;
    struct spool_answer a;

    house_message(&f->h, 7, "a@r1.test", 10, 16384);
    assert_int_equal(verdict(&f->h, 7).type, SPOOL_DURABLE);
    house_message(&f->h, 7, "b@r1.test", 10, 16384);
    a = verdict(&f->h, 7);
    assert_int_equal(a.type, SPOOL_REFUSED);
    assert_true(
        span_equal(index_find(f->h.q->index, 7)->recipients[0].address, span_str("a@r1.test")));
}

static void cancel_before_durable_means_never(void **state)
{
    struct fixture *f = *state;
    struct spool_ask ask = house_data(&f->h, 7, "s@s.test", "a@r1.test", 10, 16384);

    queue_deliver_here(f->h.q, &f->h.port);
    house_commit(&f->h, &ask);
    ask.type = SPOOL_CANCEL;
    house_ask(&f->h, &ask, NULL, 0); /* both in one turn: not yet durable */
    assert_int_equal(verdict(&f->h, 7).type, SPOOL_CANCELLED);
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, 0);
    house_close(&f->h, false);
    assert_int_equal(house_open(&f->h), 0);
    assert_int_equal(index_count(f->h.q->index), 0);
}

static void cancel_while_the_commit_is_written(void **state)
{
    struct fixture *f = *state;
    struct spool_ask ask = house_data(&f->h, 7, "s@s.test", "a@r1.test", 10, 16384);

    house_settle(&f->h); /* spare segments are there */
    f->disk.slow = true;
    house_commit(&f->h, &ask);
    house_turn(&f->h); /* in flight now */
    assert_true(qlog_in_flight(f->h.q->log));
    f->disk.writes[IO_COMMIT].delay = 3;
    ask.type = SPOOL_CANCEL;
    house_ask(&f->h, &ask, NULL, 0);
    assert_int_equal(verdict(&f->h, 7).type, SPOOL_CANCELLED);
    house_settle(&f->h);
    assert_int_equal(index_count(f->h.q->index), 0);
    house_close(&f->h, false);
    f->disk.slow = false;
    assert_int_equal(house_open(&f->h), 0);
    assert_int_equal(index_count(f->h.q->index), 0);
}

static void cancel_after_durable_says_durable(void **state)
{
    struct fixture *f = *state;
    struct spool_ask ask = house_data(&f->h, 7, "s@s.test", "a@r1.test", 10, 16384);

    house_commit(&f->h, &ask);
    assert_int_equal(verdict(&f->h, 7).type, SPOOL_DURABLE);
    ask.type = SPOOL_CANCEL;
    house_ask(&f->h, &ask, NULL, 0);
    assert_int_equal(verdict(&f->h, 7).type, SPOOL_DURABLE);
    assert_non_null(index_find(f->h.q->index, 7));
    ask.session = handle_make(0, 99, 1); /* not its session: none of its business */
    house_ask(&f->h, &ask, NULL, 0);
    assert_int_equal(verdict(&f->h, 7).type, 0);
}

static void cancel_before_commit_is_an_abort(void **state)
{
    struct fixture *f = *state;
    struct spool_ask ask = house_data(&f->h, 7, "s@s.test", "a@r1.test", 5000, 1000);

    ask.type = SPOOL_CANCEL;
    house_ask(&f->h, &ask, NULL, 0);
    assert_int_equal(verdict(&f->h, 7).type, SPOOL_CANCELLED);
    assert_int_equal(intake_partials(f->h.q), 0);
}

static void abort_frees_everything(void **state)
{
    struct fixture *f = *state;
    struct spool_ask ask = house_data(&f->h, 7, "s@s.test", "a@r1.test", 5000, 1000);
    struct qlog_figures figures;

    house_settle(&f->h);
    assert_int_equal(intake_partials(f->h.q), 1);
    ask.type = SPOOL_ABORT;
    house_ask(&f->h, &ask, NULL, 0);
    house_settle(&f->h);
    assert_int_equal(intake_partials(f->h.q), 0);
    assert_int_equal(f->h.q->intake.bytes, 0);
    qlog_figures(f->h.q->log, &figures);
    assert_int_equal(figures.live_bytes, 0);
}

static void a_new_region_drops_what_was_not_committed(void **state)
{
    struct fixture *f = *state;
    struct spool_ask ask = house_data(&f->h, 7, "s@s.test", "a@r1.test", 5000, 1000);
    struct spool_answer a;

    f->disk.slow = true;
    house_settle(&f->h);
    house_message(&f->h, 8, "a@r1.test", 10, 16384);
    house_turn(&f->h);
    f->disk.writes[IO_COMMIT].delay = 3;
    assert_int_equal(index_find(f->h.q->index, 8)->state, MESSAGE_COMMITTING);
    house_region(&f->h);
    assert_int_equal(intake_partials(f->h.q), 0);
    assert_int_equal(f->h.q->intake.bytes, 0);
    house_settle(&f->h);
    assert_int_equal(index_find(f->h.q->index, 8)->state, MESSAGE_LIVE); /* it stays stored */
    while (ring_get(&f->h.to_worker, &a, 1) == 1)
        assert_int_equal(a.type, SPOOL_STATE); /* and is nothing the new worker knows of */
    house_commit(&f->h, &ask);                 /* nor does the rest of the old one mean anything */
    assert_int_equal(verdict(&f->h, 7).type, SPOOL_REFUSED);
}

static void a_worker_that_reads_no_answers_stops_only_itself(void **state)
{
    struct fixture *f = *state;
    struct spool_answer a;
    uint32_t verdicts = 0, sent = 0;

    for (uint64_t id = 100; id < 30000 && sent < 25000; id++) {
        if (ring_room(&f->h.to_peer) == 0)
            house_turn(&f->h);
        if (ring_room(&f->h.to_peer) == 0)
            break;
        house_message(&f->h, id, "a@discard.test", 1, 16384);
        sent++;
    }
    house_settle(&f->h);
    assert_true(f->h.q->intake.workers[0].no_room);
    assert_true(intake_stalled(f->h.q));
    assert_int_equal(count_get(&f->h.q->report.counters[Q_RING_LOST]), 0);
    for (int i = 0; i < 2000 && verdicts < sent; i++) {
        house_turn(&f->h);
        while (ring_get(&f->h.to_worker, &a, 1) == 1)
            verdicts += a.type == SPOOL_DURABLE || a.type == SPOOL_REFUSED;
    }
    assert_int_equal(verdicts, sent);
}

static void partials_are_bounded_in_size(void **state)
{
    struct fixture *f = *state;
    struct house *h = &f->h;
    struct spool_ask ask = {.type = SPOOL_DATA,
                            .message = 60,
                            .session = handle_make(0, 1, 1),
                            .envelope_bytes = 100,
                            .recipients = 1};
    struct spool_answer a = {0};

    for (uint32_t i = 0; i < MESSAGE_RECORDS_MAX + 1; i++) {
        house_ask(h, &ask, "x", 1);
        if (i % 1000 == 999)
            house_settle(h);
    }
    a = verdict(h, 60); /* in too many pieces: not the client's fault, it may come again */
    assert_int_equal(a.type, SPOOL_REFUSED);
    assert_int_equal(a.reason, SPOOL_BUSY);
    ask = (struct spool_ask){.type = SPOOL_DATA,
                             .message = 61,
                             .session = handle_make(0, 1, 1),
                             .envelope_bytes = 100,
                             .recipients = RECIPIENTS_MAX + 1};
    house_ask(h, &ask, "x", 1);
    assert_int_equal(verdict(h, 61).reason, SPOOL_TOO_BIG);
}

static void too_many_bytes_are_too_big_for_ever(void **state)
{
    struct fixture *f = *state;
    struct house *h = &f->h;
    static const uint8_t chunk[IPC_CHUNK_BYTES];
    struct spool_ask ask = {.type = SPOOL_DATA,
                            .message = 62,
                            .session = handle_make(0, 1, 1),
                            .envelope_bytes = 100,
                            .recipients = 1};
    struct spool_answer a = {0};
    bool said = false;

    house_close(h, false);
    h->settings.limit_bytes = 2 * MESSAGE_BYTES_MAX;
    h->settings.segment_bytes = 1024 * 1024;
    h->settings.batch_bytes = 512 * 1024;
    assert_int_equal(house_open(h), 0);
    for (uint32_t i = 0; i < MESSAGE_BYTES_MAX / IPC_CHUNK_BYTES + 1 && !said; i++) {
        house_ask(h, &ask, chunk, sizeof(chunk));
        if (i % 8 == 7)
            house_settle(h);
        while (!said && house_answer(h, &a))
            said = a.type == SPOOL_REFUSED;
    }
    if (!said)
        a = verdict(h, 62);
    assert_int_equal(a.type, SPOOL_REFUSED);
    assert_int_equal(a.reason, SPOOL_TOO_BIG);
}

static void memory_of_arriving_mail_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct house *h = &f->h;
    uint32_t busy = 0, n = (uint32_t)(INTAKE_BYTES_MAX / ENVELOPE_BYTES_MAX) + 10;

    for (uint32_t i = 0; i < n; i++) {
        struct spool_ask ask = {.type = SPOOL_DATA,
                                .message = 1000 + i,
                                .session = handle_make(0, i, 1),
                                .envelope_bytes = ENVELOPE_BYTES_MAX,
                                .recipients = 1};
        struct spool_answer a;

        house_ask(h, &ask, "x", 1);
        house_turn(h);
        while (house_answer(h, &a))
            busy += a.type == SPOOL_REFUSED && a.reason == SPOOL_BUSY;
    }
    assert_true(busy >= 5 && busy < 20);
    assert_true(h->q->intake.bytes <= INTAKE_BYTES_MAX + ENVELOPE_BYTES_MAX);
    house_region(h);
    assert_int_equal(h->q->intake.bytes, 0);
}

static void refused_ids_are_forgotten_in_the_end(void **state)
{
    struct fixture *f = *state;
    struct house *h = &f->h;
    struct spool_answer a;

    for (uint32_t i = 0; i < INTAKE_REFUSED_MAX + 100; i++) {
        struct spool_ask ask = {.type = SPOOL_DATA,
                                .message = 1000 + i,
                                .session = handle_make(0, 1, 1),
                                .envelope_bytes = 100,
                                .recipients = RECIPIENTS_MAX + 1};

        house_ask(h, &ask, "x", 1);
        house_turn(h);
        while (house_answer(h, &a))
            assert_int_equal(a.type, SPOOL_REFUSED);
    }
    assert_true(h->q->intake.bytes < INTAKE_REFUSED_MAX * 512ull);
    house_message(h, 7, "a@r1.test", 10, 16384);
    assert_int_equal(verdict(h, 7).type, SPOOL_DURABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_breach_refuses_its_own_message_only),
        T(refused_is_said_once),
        T(the_envelope_must_be_the_asks),
        T(an_id_is_taken_once),
        T(cancel_before_durable_means_never),
        T(cancel_while_the_commit_is_written),
        T(cancel_after_durable_says_durable),
        T(cancel_before_commit_is_an_abort),
        T(abort_frees_everything),
        T(a_new_region_drops_what_was_not_committed),
        T(a_worker_that_reads_no_answers_stops_only_itself),
        T(partials_are_bounded_in_size), T(too_many_bytes_are_too_big_for_ever),
        T(memory_of_arriving_mail_is_bounded),
        T(refused_ids_are_forgotten_in_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

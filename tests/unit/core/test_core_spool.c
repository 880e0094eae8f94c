/* test_core_spool.c - the worker's half of the spool conversation, against a scripted queue.
 *
 * Goal: chunks are never lost or lent twice, no answer that was not asked for makes a 250,
 * and every bound answers as core_spool.h says.  The SMTP machine and the stream above are
 * doubles that only remember what they were told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sys/mman.h>

#include "core_spool.h"

#define SESSIONS 5000

static struct {
    uint32_t used[SESSIONS];      /* bytes in the chunk the machine holds */
    uint32_t committed, last_slot;
    enum smtp_commit last;
    uint32_t resumed;
    bool     take_on_resume;
} seen;

static struct worker *w;
static struct ipc_region peer;
static struct count counters[CORE_COUNTERS];
static struct histogram histograms[CORE_HISTOGRAMS];

static uint32_t slot_of(const struct smtp *s)
{
    const struct session *session = (const struct session *)((const uint8_t *)s - offsetof(struct session, smtp));

    return (uint32_t)(session - w->sessions);
}

void smtp_chunk(struct smtp *s, uint8_t *memory, uint32_t bytes)
{
    assert_non_null(memory);
    assert_int_equal(bytes, IPC_CHUNK_BYTES);
    seen.used[slot_of(s)] = 0;
}

uint32_t smtp_take_chunk(struct smtp *s)
{
    uint32_t n = seen.used[slot_of(s)];

    seen.used[slot_of(s)] = 0;
    return n;
}

struct smtp_message smtp_message(const struct smtp *s)
{
    return (struct smtp_message){.message = 1000 + slot_of(s), .envelope_bytes = 100, .recipients = 1,
                                 .total_bytes = 200};
}

void stream_committed(struct worker *worker, uint32_t slot, enum smtp_commit result)
{
    assert_ptr_equal(worker, w);
    seen.committed++;
    seen.last_slot = slot;
    seen.last = result;
}

void stream_resume(struct worker *worker, uint32_t slot)
{
    seen.resumed++;
    if (seen.take_on_resume && !spool_give_chunk(worker, slot, false, false))
        spool_wait(worker, slot);
}

/* As core_link.c does before it hands over the next one. */
static void take_old_region(void)
{
    struct spool_handover *old = atomic_exchange(&w->region_old, NULL);

    if (old != NULL && old->region.map != NULL)
        ipc_region_unmap(&old->region);
    free(old);
}

static void new_region(uint32_t epoch)
{
    int fd = ipc_region_create(IPC_QUEUE, 0, epoch);
    struct spool_handover *box = calloc(1, sizeof(*box));

    assert_true(fd >= 0);
    assert_int_equal(ipc_region_map(&box->region, fd, IPC_QUEUE, 0, epoch), 0);
    memset(&peer, 0, sizeof(peer));
    assert_int_equal(ipc_region_map(&peer, fd, IPC_QUEUE, 0, epoch), 0);
    box->kick_fd = -1;
    take_old_region();
    atomic_store(&w->region_next, box);
}

static int begin(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof(seen));
    memset(counters, 0, sizeof(counters));
    w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    w->sessions_cap = SESSIONS;
    w->sessions = aligned_alloc(64, ((sizeof(struct session) * SESSIONS) + 63) & ~63ul);
    memset(w->sessions, 0, sizeof(struct session) * SESSIONS);
    w->counters = counters;
    w->histograms = histograms;
    spool_init(&w->spool, calloc(SESSIONS, sizeof(struct spool_ask_later)), SESSIONS);
    for (uint32_t i = 0; i < SESSIONS; i++)
        w->sessions[i] = (struct session){.in_use = true, .generation = 7, .chunk = IPC_NO_CHUNK,
                                          .holds = {UINT32_MAX, UINT32_MAX},
                                          .waits = {UINT32_MAX, UINT32_MAX}};
    new_region(1);
    spool_poll(w);
    assert_true(w->spool.up);
    return 0;
}

static int end(void **state)
{
    (void)state;
    take_old_region();
    ipc_region_unmap(&peer);
    ipc_region_unmap(&w->spool.region);
    free(w->spool.later);
    free(w->sessions);
    munmap(w, sizeof(*w));
    return 0;
}

static struct spool_ask next_ask(void)
{
    struct spool_ask ask;

    assert_int_equal(ring_get(&peer.to_peer, &ask, 1), 1);
    return ask;
}

static void say(uint32_t type, uint32_t reason, uint32_t chunk, struct handle session, uint64_t message)
{
    struct spool_answer a = {.type = type, .reason = reason, .chunk = chunk, .epoch = w->spool.region.epoch,
                             .session = session, .message = message};

    assert_int_equal(ring_put(&peer.to_worker, &a, 1), 1);
    spool_poll(w);
}

static void a_message_becomes_durable(void **state)
{
    struct spool_ask data, commit;

    (void)state;
    assert_true(spool_give_chunk(w, 3, true, false));
    seen.used[3] = IPC_CHUNK_BYTES;
    assert_true(spool_flush(w, 3));
    assert_true(spool_give_chunk(w, 3, false, false));
    seen.used[3] = 55;
    assert_true(spool_commit(w, 3));
    data = next_ask();
    commit = next_ask();
    assert_int_equal(data.type, SPOOL_DATA);
    assert_int_equal(data.sequence, 0);
    assert_int_equal(data.bytes, IPC_CHUNK_BYTES);
    assert_int_equal(commit.type, SPOOL_COMMIT);
    assert_int_equal(commit.sequence, 1);
    assert_int_equal(commit.bytes, 55);
    assert_int_equal(commit.total_bytes, 200);
    assert_int_not_equal(commit.chunk, data.chunk);
    say(SPOOL_CHUNK_BACK, 0, data.chunk, data.session, data.message);
    assert_int_equal(seen.committed, 0);
    say(SPOOL_DURABLE, 0, commit.chunk, commit.session, commit.message);
    assert_int_equal(seen.committed, 1);
    assert_int_equal(seen.last, SMTP_STORED);
    assert_int_equal(seen.last_slot, 3);
    assert_int_equal(w->spool.free_count, IPC_CHUNKS);
}

/* None of these may end a wait, free a chunk twice, or count as durability. */
static void hostile_answers_change_nothing(void **state)
{
    struct spool_ask commit;
    struct spool_answer old;

    (void)state;
    assert_true(spool_give_chunk(w, 4, true, false));
    seen.used[4] = 10;
    assert_true(spool_commit(w, 4));
    commit = next_ask();
    say(SPOOL_DURABLE, 0, IPC_NO_CHUNK, handle_make(0, 4, 6), commit.message);       /* stale generation */
    say(SPOOL_DURABLE, 0, IPC_NO_CHUNK, handle_make(1, 4, 7), commit.message);       /* other worker */
    say(SPOOL_DURABLE, 0, IPC_NO_CHUNK, handle_make(0, 0xffffff, 7), commit.message); /* no such slot */
    say(SPOOL_DURABLE, 0, IPC_NO_CHUNK, commit.session, commit.message + 1);         /* other message */
    say(SPOOL_DURABLE, 0, IPC_NO_CHUNK, handle_make(0, 9, 7), 1009);                 /* never asked */
    say(99, 0, IPC_NO_CHUNK, commit.session, commit.message);
    say(SPOOL_CHUNK_BACK, 0, IPC_CHUNKS + 5, commit.session, 0);
    say(SPOOL_CHUNK_BACK, 0, commit.chunk == 0 ? 1 : 0, commit.session, 0);          /* not lent */
    old = (struct spool_answer){.type = SPOOL_DURABLE, .chunk = IPC_NO_CHUNK, .epoch = 0,
                                .session = commit.session, .message = commit.message};
    ring_put(&peer.to_worker, &old, 1);
    spool_poll(w);
    assert_int_equal(seen.committed, 0);
    assert_int_equal(w->spool.free_count, IPC_CHUNKS - 1);
    assert_int_equal(count_get(&counters[CORE_COMMIT_LATE]), 5);
    assert_int_equal(count_get(&counters[CORE_ANSWER_BAD]), 4);
    say(SPOOL_DURABLE, 0, commit.chunk, commit.session, commit.message);
    assert_int_equal(seen.committed, 1);
    say(SPOOL_DURABLE, 0, commit.chunk, commit.session, commit.message); /* twice */
    assert_int_equal(seen.committed, 1);
    assert_int_equal(w->spool.free_count, IPC_CHUNKS);
}

static void durable_before_commit_is_no_250(void **state)
{
    (void)state;
    assert_true(spool_give_chunk(w, 5, true, false));
    seen.used[5] = IPC_CHUNK_BYTES;
    assert_true(spool_flush(w, 5));
    say(SPOOL_DURABLE, 0, IPC_NO_CHUNK, handle_make(0, 5, 7), 1005);
    assert_int_equal(seen.committed, 0);
    say(SPOOL_REFUSED, SPOOL_FULL, IPC_NO_CHUNK, handle_make(0, 5, 7), 1005);
    assert_int_equal(seen.last, SMTP_STORE_FULL);
}

static void the_queue_dies(void **state)
{
    (void)state;
    assert_true(spool_give_chunk(w, 1, true, false)); /* holds a chunk */
    assert_true(spool_give_chunk(w, 2, true, false));
    seen.used[2] = 9;
    assert_true(spool_commit(w, 2));                  /* waits for its answer */
    atomic_store(&w->queue_gone, 1);
    spool_poll(w);
    assert_false(w->spool.up);
    assert_int_equal(seen.committed, 2);
    assert_int_equal(seen.last, SMTP_STORE_FAILED);
    assert_false(spool_give_chunk(w, 6, true, true));
    assert_false(spool_commit(w, 6));
    ipc_region_unmap(&peer);
    new_region(2);
    spool_poll(w);
    assert_true(w->spool.up);
    assert_int_equal(w->spool.free_count, IPC_CHUNKS);
    assert_int_equal(seen.committed, 2);
    assert_true(spool_give_chunk(w, 6, true, false));
}

/* The last tenth of the chunks is for the trusted and for what has begun. */
static void chunks_run_out(void **state)
{
    uint32_t given = 0;

    (void)state;
    while (given < SESSIONS && spool_give_chunk(w, given, true, false))
        seen.used[given++] = IPC_CHUNK_BYTES;
    /* Reclaiming lent the oldest early, as far as the ring's half allows. */
    assert_true(count_get(&counters[CORE_CHUNK_RECLAIMED]) > 0);
    assert_int_equal(w->spool.free_count, SPOOL_RESERVE - 1);
    assert_true(spool_give_chunk(w, given, true, true));
    while (w->spool.free_count > 0)
        assert_true(spool_give_chunk(w, ++given, false, false));
    assert_false(spool_give_chunk(w, ++given, false, false));
    spool_wait(w, given);
    assert_int_equal(seen.resumed, 0);
    seen.take_on_resume = true;
    say(SPOOL_CHUNK_BACK, 0, next_ask().chunk, handle_make(0, 0, 7), 0);
    assert_int_equal(seen.resumed, 1);
    assert_int_not_equal(w->sessions[given].chunk, IPC_NO_CHUNK);
}

static void a_full_ring_refuses_data_but_not_aborts(void **state)
{
    uint32_t slot = 0, asks = 0;
    struct spool_ask ask;

    (void)state;
    while (spool_give_chunk(w, slot, true, true)) {
        seen.used[slot] = 8;
        if (!spool_flush(w, slot))
            break;
        say(SPOOL_CHUNK_BACK, 0, w->spool.state[IPC_CHUNKS - 1] == CHUNK_LENT ? IPC_CHUNKS - 1 : 0,
            handle_make(0, slot, 7), 0);
        slot++;
    }
    assert_in_range(slot, 1, SPOOL_DATA_ROOM + 1);
    for (uint32_t i = 0; i < slot; i++)
        spool_abort(w, i);
    while (ring_get(&peer.to_peer, &ask, 1) == 1)
        asks++;
    spool_poll(w);
    while (ring_get(&peer.to_peer, &ask, 1) == 1)
        asks++;
    assert_int_equal(asks, 2 * slot); /* each DATA and each ABORT */
    assert_int_equal(w->spool.later_count, 0);
}

/* The queue stands still with the ring half full: those with a full chunk wait with it in hand,
 * and whatever then happens to one of them moves nobody else. */
static void holders_wait_with_their_chunk(void **state)
{
    const uint32_t first = 4000, n = 6;
    uint32_t held = 0;

    (void)state;
    for (uint32_t i = 0; ring_room(&w->spool.region.to_peer) >= SPOOL_DATA_ROOM; i++) {
        w->sessions[i].message = 1000 + i;
        spool_abort(w, i);
    }
    struct spool_ask ask = next_ask(); /* room for one, so that chunks are given */

    assert_int_equal(ask.type, SPOOL_ABORT);
    for (uint32_t i = 0; i < n; i++)
        assert_true(spool_give_chunk(w, first + i, true, false));
    w->sessions[3999].message = 4999;
    spool_abort(w, 3999); /* the room is gone again */
    for (uint32_t i = 0; i < n; i++) {
        seen.used[first + i] = IPC_CHUNK_BYTES;
        assert_false(spool_flush(w, first + i));
        spool_wait(w, first + i);
    }
    spool_poll(w); /* nothing has changed: nobody is woken, nobody counted again */
    assert_int_equal(seen.resumed, 0);
    assert_int_equal(count_get(&counters[CORE_CHUNK_WAITS]), n);
    spool_abort(w, first + 2); /* one client goes away */
    assert_int_equal(w->sessions[first + 2].chunk, IPC_NO_CHUNK);
    for (uint32_t slot = w->spool.holders.head; slot != UINT32_MAX; slot = w->sessions[slot].holds.next)
        held++;
    assert_int_equal(held, n - 1);
    while (ring_get(&peer.to_peer, &ask, 1) == 1) /* the queue goes on */
        ;
    spool_poll(w);
    assert_int_equal(seen.resumed, 1);
    for (uint32_t i = 0; i < n; i++)
        if (i != 2)
            assert_true(spool_flush(w, first + i));
    assert_int_equal(w->spool.holders.head, UINT32_MAX);
    assert_int_equal(w->spool.holders.tail, UINT32_MAX);
    assert_int_equal(w->spool.free_count, IPC_CHUNKS - (n - 1));
}

static void commit_takes_too_long(void **state)
{
    struct spool_ask ask;

    (void)state;
    assert_true(spool_give_chunk(w, 8, true, false));
    seen.used[8] = 5;
    assert_true(spool_commit(w, 8));
    next_ask();
    spool_cancel(w, 8);
    ask = next_ask();
    assert_int_equal(ask.type, SPOOL_CANCEL);
    assert_int_equal(ask.message, 1008);
    say(SPOOL_DURABLE, 0, IPC_NO_CHUNK, ask.session, ask.message); /* came too late: no 250 */
    assert_int_equal(seen.committed, 0);
    assert_int_equal(count_get(&counters[CORE_COMMIT_LATE]), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_becomes_durable, begin, end),
        cmocka_unit_test_setup_teardown(hostile_answers_change_nothing, begin, end),
        cmocka_unit_test_setup_teardown(durable_before_commit_is_no_250, begin, end),
        cmocka_unit_test_setup_teardown(the_queue_dies, begin, end),
        cmocka_unit_test_setup_teardown(chunks_run_out, begin, end),
        cmocka_unit_test_setup_teardown(a_full_ring_refuses_data_but_not_aborts, begin, end),
        cmocka_unit_test_setup_teardown(holders_wait_with_their_chunk, begin, end),
        cmocka_unit_test_setup_teardown(commit_takes_too_long, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

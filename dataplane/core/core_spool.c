/* core_spool.c - chunks out, answers back. */
#include "core_spool.h"

#include <unistd.h>

#include "base_must.h"

#define ANSWERS_A_TURN 256
#define NO_SLOT        UINT32_MAX

void spool_init(struct spool *spool, struct spool_ask_later *later, uint32_t cap)
{
    memset(spool, 0, sizeof(*spool));
    spool->kick_fd = -1;
    spool->holders = spool->waiters = (struct session_list){NO_SLOT, NO_SLOT};
    spool->later = later;
    spool->later_cap = cap;
}

/* ---- the two lists ---- */

/* The link is found by its place in the session: the two lists share this code. */
static struct session_link *link_of(struct worker *w, size_t which, uint32_t slot)
{
    return (struct session_link *)((uint8_t *)&w->sessions[slot] + which);
}

#define HOLDS offsetof(struct session, holds)
#define WAITS offsetof(struct session, waits)

static void list_push(struct worker *w, struct session_list *list, size_t which, uint32_t slot)
{
    *link_of(w, which, slot) = (struct session_link){.prev = list->tail, .next = NO_SLOT};
    if (list->tail != NO_SLOT)
        link_of(w, which, list->tail)->next = slot;
    else
        list->head = slot;
    list->tail = slot;
}

static void list_drop(struct worker *w, struct session_list *list, size_t which, uint32_t slot)
{
    struct session_link *link = link_of(w, which, slot);

    if (link->prev != NO_SLOT)
        link_of(w, which, link->prev)->next = link->next;
    else
        list->head = link->next;
    if (link->next != NO_SLOT)
        link_of(w, which, link->next)->prev = link->prev;
    else
        list->tail = link->prev;
    *link = (struct session_link){NO_SLOT, NO_SLOT};
}

void spool_wait(struct worker *w, uint32_t slot)
{
    w->sessions[slot].wait = SESSION_WAITS_CHUNK;
    list_push(w, &w->spool.waiters, WAITS, slot);
    count_one(&w->counters[CORE_CHUNK_WAITS]);
}

void spool_unlist(struct worker *w, uint32_t slot)
{
    struct session *s = &w->sessions[slot];
    struct spool *sp = &w->spool;

    if (s->wait == SESSION_WAITS_CHUNK) {
        list_drop(w, &sp->waiters, WAITS, slot);
        s->wait = SESSION_RUNS;
    }
}

/* ---- chunks ---- */

static void chunk_free(struct spool *sp, uint32_t chunk)
{
    must(sp->state[chunk] != CHUNK_FREE);
    sp->state[chunk] = CHUNK_FREE;
    sp->free[sp->free_count++] = chunk;
}

/* The session lets go of its chunk; the caller lends or frees it. */
static uint32_t chunk_release(struct worker *w, uint32_t slot)
{
    struct session *s = &w->sessions[slot];
    uint32_t chunk = s->chunk;

    must(chunk != IPC_NO_CHUNK);
    list_drop(w, &w->spool.holders, HOLDS, slot);
    s->chunk = IPC_NO_CHUNK;
    return chunk;
}

static void reclaim_slow(struct worker *w, uint32_t except)
{
    uint32_t slot = w->spool.holders.head;

    if (slot != NO_SLOT && slot == except)
        slot = w->sessions[slot].holds.next;
    if (slot != NO_SLOT && spool_flush(w, slot))
        count_one(&w->counters[CORE_CHUNK_RECLAIMED]);
}

bool spool_give_chunk(struct worker *w, uint32_t slot, bool first, bool trusted)
{
    struct session *s = &w->sessions[slot];
    struct spool *sp = &w->spool;
    uint32_t chunk;

    if (!sp->up)
        return false;
    if (sp->free_count < SPOOL_LOW)
        reclaim_slow(w, slot);
    if (sp->free_count == 0 || (first && !trusted && sp->free_count < SPOOL_RESERVE) ||
        (first && ring_room(&sp->region.to_peer) < SPOOL_DATA_ROOM))
        return false;
    chunk = sp->free[--sp->free_count];
    sp->state[chunk] = CHUNK_HELD;
    s->chunk = chunk;
    s->begun = true;
    list_push(w, &sp->holders, HOLDS, slot);
    smtp_chunk(session_smtp(s), ipc_chunk(&sp->region, chunk), IPC_CHUNK_BYTES);
    return true;
}

/* ---- asks ---- */

static bool send_later(struct spool *sp, uint32_t type, struct handle h, uint64_t message,
                       uint32_t sequence)
{
    uint32_t at;

    if (sp->later_count == sp->later_cap)
        return false;
    at = (sp->later_head + sp->later_count++) % sp->later_cap;
    sp->later[at] = (struct spool_ask_later){h, message, type, sequence};
    return true;
}

static bool put_ask(struct spool *sp, const struct spool_ask *ask)
{
    if (!sp->up || ring_put(&sp->region.to_peer, ask, 1) != 1)
        return false;
    sp->asked = true;
    return true;
}

static void put_short(struct worker *w, uint32_t type, struct handle h, uint64_t message,
                      uint32_t sequence)
{
    struct spool *sp = &w->spool;
    struct spool_ask ask = {.type = type,
                            .chunk = IPC_NO_CHUNK,
                            .sequence = sequence,
                            .session = h,
                            .message = message,
                            .epoch = sp->region.epoch};

    if (!sp->up)
        return; /* the queue that knew of it is gone, and forgets what was not committed */
    if (sp->later_count > 0 || !put_ask(sp, &ask))
        must(send_later(sp, type, h, message, sequence));
}

static void flush_later(struct worker *w)
{
    struct spool *sp = &w->spool;

    while (sp->later_count > 0) {
        const struct spool_ask_later *l = &sp->later[sp->later_head];
        struct spool_ask ask = {.type = l->type,
                                .chunk = IPC_NO_CHUNK,
                                .sequence = l->sequence,
                                .session = l->session,
                                .message = l->message,
                                .epoch = sp->region.epoch};

        if (!put_ask(sp, &ask))
            return;
        sp->later_head = (sp->later_head + 1) % sp->later_cap;
        sp->later_count--;
    }
}

static struct handle session_handle(const struct worker *w, uint32_t slot)
{
    return handle_make(w->index, slot, w->sessions[slot].generation);
}

static struct spool_ask message_ask(const struct worker *w, uint32_t slot, uint32_t type)
{
    const struct session *s = &w->sessions[slot];
    struct smtp_message m = smtp_message((const struct smtp *)s->smtp);

    return (struct spool_ask){.type = type,
                              .chunk = IPC_NO_CHUNK,
                              .sequence = s->sequence,
                              .session = session_handle(w, slot),
                              .message = m.message,
                              .envelope_bytes = m.envelope_bytes,
                              .recipients = m.recipients,
                              .total_bytes = type == SPOOL_COMMIT ? m.total_bytes : 0,
                              .epoch = w->spool.region.epoch};
}

bool spool_flush(struct worker *w, uint32_t slot)
{
    struct session *s = &w->sessions[slot];
    struct spool *sp = &w->spool;
    struct spool_ask ask;

    if (!sp->up || sp->later_count > 0 || ring_room(&sp->region.to_peer) < SPOOL_DATA_ROOM)
        return false;
    ask = message_ask(w, slot, SPOOL_DATA);
    ask.bytes = smtp_take_chunk(session_smtp(s));
    ask.chunk = chunk_release(w, slot);
    if (ask.bytes == 0) { /* nothing in it yet: no need to trouble the queue */
        chunk_free(sp, ask.chunk);
        return true;
    }
    must(put_ask(sp, &ask));
    sp->state[ask.chunk] = CHUNK_LENT;
    s->sequence++;
    s->message = ask.message;
    count_one(&w->counters[CORE_CHUNKS_LENT]);
    return true;
}

bool spool_commit(struct worker *w, uint32_t slot)
{
    struct session *s = &w->sessions[slot];
    struct spool *sp = &w->spool;
    struct spool_ask ask;

    if (!sp->up || sp->later_count > 0 || ring_room(&sp->region.to_peer) < SPOOL_COMMIT_ROOM)
        return false;
    ask = message_ask(w, slot, SPOOL_COMMIT);
    if (s->chunk != IPC_NO_CHUNK) {
        ask.bytes = smtp_take_chunk(session_smtp(s));
        ask.chunk = chunk_release(w, slot);
        if (ask.bytes == 0) {
            chunk_free(sp, ask.chunk);
            ask.chunk = IPC_NO_CHUNK;
        } else {
            sp->state[ask.chunk] = CHUNK_LENT;
            count_one(&w->counters[CORE_CHUNKS_LENT]);
        }
    }
    must(put_ask(sp, &ask));
    s->message = ask.message;
    s->sequence++;
    s->wait = SESSION_WAITS_COMMIT;
    s->asked = w->now;
    sp->committing++;
    count_one(&w->counters[CORE_COMMITS]);
    return true;
}

void spool_abort(struct worker *w, uint32_t slot)
{
    struct session *s = &w->sessions[slot];

    spool_unlist(w, slot);
    if (s->chunk != IPC_NO_CHUNK) {
        smtp_take_chunk(session_smtp(s));
        chunk_free(&w->spool, chunk_release(w, slot));
    }
    if (s->message != 0)
        put_short(w, SPOOL_ABORT, session_handle(w, slot), s->message, s->sequence);
    s->message = 0;
    s->sequence = 0;
}

void spool_cancel(struct worker *w, uint32_t slot)
{
    struct session *s = &w->sessions[slot];

    must(s->wait == SESSION_WAITS_COMMIT);
    put_short(w, SPOOL_CANCEL, session_handle(w, slot), s->message, s->sequence);
    s->wait = SESSION_RUNS;
    s->message = 0;
    s->sequence = 0;
    w->spool.committing--;
    count_one(&w->counters[CORE_COMMIT_TIMEOUTS]);
}

void spool_kick(struct worker *w)
{
    uint64_t one = 1;

    if (!w->spool.asked)
        return;
    w->spool.asked = false;
    if (w->spool.up && ring_must_kick(&w->spool.region.to_peer)) {
        count_one(&w->counters[CORE_KICKS]);
        if (write(w->spool.kick_fd, &one, sizeof(one)) < 0) {
            /* The counter is full: the queue has been woken often enough. */
        }
    }
}

/* ---- answers ---- */

static void take_back(struct worker *w, uint32_t chunk)
{
    struct spool *sp = &w->spool;

    if (chunk == IPC_NO_CHUNK)
        return;
    if (chunk >= IPC_CHUNKS || sp->state[chunk] != CHUNK_LENT) {
        count_one(&w->counters[CORE_ANSWER_BAD]);
        return;
    }
    chunk_free(sp, chunk);
}

static enum smtp_commit commit_result(const struct spool_answer *a)
{
    if (a->type == SPOOL_DURABLE)
        return SMTP_STORED;
    switch (a->reason) {
    case SPOOL_FULL:
        return SMTP_STORE_FULL;
    case SPOOL_TOO_BIG:
        return SMTP_STORE_TOO_BIG;
    default:
        return SMTP_STORE_FAILED;
    }
}

static void verdict_in(struct worker *w, const struct spool_answer *a)
{
    uint32_t slot = handle_slot(a->session);
    struct session *s = slot < w->sessions_cap ? &w->sessions[slot] : NULL;

    if (s == NULL || handle_worker(a->session) != w->index || !s->in_use ||
        s->generation != handle_generation(a->session) || s->message == 0 ||
        s->message != a->message) {
        count_one(&w->counters[a->type == SPOOL_DURABLE ? CORE_COMMIT_LATE : CORE_ANSWER_STALE]);
        return;
    }
    if (s->wait == SESSION_WAITS_COMMIT) {
        histogram_add(&w->histograms[CORE_H_COMMIT], usec_since(s->asked, w->now));
        w->spool.committing--;
        s->wait = SESSION_RUNS;
    } else if (a->type == SPOOL_DURABLE) {
        count_one(&w->counters[CORE_ANSWER_BAD]); /* nobody asked: no 250 on that */
        return;
    }
    spool_unlist(w, slot);
    s->message = 0; /* the queue has forgotten it, or it is stored: no ABORT is owed */
    s->sequence = 0;
    stream_committed(w, slot, commit_result(a));
}

static void answer_in(struct worker *w, const struct spool_answer *a)
{
    if (a->epoch != w->spool.region.epoch) {
        count_one(&w->counters[CORE_ANSWER_BAD]);
        return;
    }
    switch (a->type) {
    case SPOOL_CHUNK_BACK:
        take_back(w, a->chunk);
        break;
    case SPOOL_DURABLE:
    case SPOOL_REFUSED:
        take_back(w, a->chunk);
        verdict_in(w, a);
        break;
    case SPOOL_CANCELLED:
        take_back(w, a->chunk);
        break;
    case SPOOL_STATE:
        w->spool.intake_shut = a->reason != SPOOL_OK;
        break;
    default:
        count_one(&w->counters[CORE_ANSWER_BAD]);
    }
}

static void wake_waiters(struct worker *w)
{
    struct spool *sp = &w->spool;

    if (sp->later_count > 0 || ring_room(&sp->region.to_peer) < SPOOL_DATA_ROOM)
        return; /* whatever they hold or filled could not be lent: they would wait again */
    while (sp->waiters.head != NO_SLOT && sp->free_count > 0) {
        uint32_t slot = sp->waiters.head, left = sp->free_count;

        spool_unlist(w, slot);
        stream_resume(w, slot);
        if (sp->free_count >= left)
            break; /* it did not take one: do not go round in this turn */
    }
}

/* ---- the queue comes and goes ---- */

/* Every message the old queue had not answered is lost to us: 451, and the rest of its
 * body is read and thrown away. */
static void fail_all(struct worker *w)
{
    w->spool.up = false;
    for (uint32_t slot = 0; slot < w->sessions_cap; slot++) {
        struct session *s = &w->sessions[slot];

        if (!s->in_use ||
            (s->message == 0 && s->chunk == IPC_NO_CHUNK && s->wait != SESSION_WAITS_CHUNK))
            continue;
        count_one(&w->counters[CORE_QUEUE_LOST]);
        spool_unlist(w, slot);
        if (s->chunk != IPC_NO_CHUNK) {
            smtp_take_chunk(session_smtp(s));
            chunk_free(&w->spool, chunk_release(w, slot));
        }
        s->wait = s->wait == SESSION_OVER ? SESSION_OVER : SESSION_RUNS;
        s->message = 0;
        s->sequence = 0;
        if (s->wait == SESSION_RUNS)
            stream_committed(w, slot, SMTP_STORE_FAILED);
    }
    w->spool.later_count = 0;
    w->spool.committing = 0;
}

static void adopt(struct worker *w, struct spool_handover *next)
{
    struct spool *sp = &w->spool;
    struct spool_handover old = {.region = sp->region, .kick_fd = sp->kick_fd};

    if (sp->up)
        fail_all(w);
    sp->region = next->region;
    sp->kick_fd = next->kick_fd;
    sp->free_count = IPC_CHUNKS;
    for (uint32_t i = 0; i < IPC_CHUNKS; i++) {
        sp->free[i] = IPC_CHUNKS - 1 - i;
        sp->state[i] = CHUNK_FREE;
    }
    sp->up = true;
    sp->intake_shut = false;
    *next = old; /* the box carries the old region home */
    atomic_store_explicit(&w->region_old, next, memory_order_release);
}

static void mailboxes(struct worker *w)
{
    struct spool_handover *next;
    uint32_t gone = atomic_load_explicit(&w->queue_gone, memory_order_acquire);

    if (w->spool.up && gone >= w->spool.region.epoch)
        fail_all(w);
    if (atomic_load_explicit(&w->region_next, memory_order_relaxed) == NULL)
        return;
    next = atomic_exchange_explicit(&w->region_next, NULL, memory_order_acquire);
    if (next != NULL)
        adopt(w, next);
}

unsigned spool_poll(struct worker *w)
{
    struct spool_answer answers[ANSWERS_A_TURN];
    uint32_t n;

    mailboxes(w);
    if (!w->spool.up)
        return 0;
    n = ring_get(&w->spool.region.to_worker, answers, ANSWERS_A_TURN);
    for (uint32_t i = 0; i < n && w->spool.up; i++)
        answer_in(w, &answers[i]);
    flush_later(w);
    if (w->spool.waiters.head != NO_SLOT)
        wake_waiters(w);
    return n;
}

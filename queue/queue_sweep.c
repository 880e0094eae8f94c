/* queue_sweep.c - gives disk back: trims the oldest segments that hold nothing, and copies
 * what still lives out of an old one so that one deferred recipient pins no disk.
 *
 * Segments go in order of birth only.  The oldest is copied out of when at most a quarter of it
 * lives, or when less than half of the whole log does: then the bytes written for copying stay
 * below the bytes freed.  A copy is new DATA records with the next copy number and a COMMIT with
 * the recipients' states of that moment; the old bytes are let go when that COMMIT is durable.
 * Messages still arriving are copied too: a slow client must not pin the log either. */
#include <errno.h>
#include <stdlib.h>

#include "base_must.h"
#include "queue.h"

#define COPY_RECORD_MAX (256u * 1024u)
#define SEGMENTS_CALM   4u /* below this many segments there is nothing worth moving */

static bool crowded(const struct qlog_figures *f, const struct segment *tail)
{
    if (f->segments < SEGMENTS_CALM)
        return false;
    return tail->live_bytes <= tail->bytes / 4 ||
           f->live_bytes <= (f->segments - 1) * (uint64_t)tail->bytes / 2;
}

void sweep_forget(struct queue *q, struct body *body)
{
    if (q->sweep.body == body)
        q->sweep.body = NULL;
    body_forget_fresh(body);
}

/* A batch failed: whatever was being copied may have lost some of it. */
void sweep_failed(struct queue *q)
{
    if (q->sweep.body != NULL)
        sweep_forget(q, q->sweep.body);
}

void sweep_want(struct queue *q, struct message *m)
{
    q->sweep.wanted = m->id;
}

static bool on_disk(const struct queue *q, const struct body *b)
{
    return b->extents_n == 0 || qlog_readable(q->log, &b->extents[b->extents_n - 1]);
}

static bool may_copy(const struct queue *q, const struct body *b)
{
    const struct message *m;

    if (b->fresh != NULL || b->unreadable || b->extents_n == 0)
        return false;
    if (b->kind == BODY_PARTIAL)
        return true;
    m = index_find(q->index, b->message);
    return m != NULL && m->state == MESSAGE_LIVE && !m->doomed;
}

static void begin(struct queue *q, struct body *b)
{
    b->fresh = malloc(sizeof(*b->fresh));
    must(b->fresh != NULL);
    body_init(b->fresh, BODY_COPY, b->message, b->worker);
    b->fresh->copy = b->copy + 1;
    b->fresh_broken = false;
    q->sweep.body = b;
    q->sweep.copied = 0;
}

/* Reads n bytes of the body's stream from its byte `from` on. */
static int read_stream(struct queue *q, const struct body *b, uint64_t from, uint8_t *out,
                       uint32_t n)
{
    uint64_t at = 0;

    for (uint32_t i = 0; i < b->extents_n && n > 0; i++) {
        const struct extent *e = &b->extents[i];

        if (from < at + e->bytes) {
            uint32_t skip = (uint32_t)(from - at);
            uint32_t part = e->bytes - skip < n ? e->bytes - skip : n;
            int rc = qlog_read(q->log, e, skip, out, part);

            if (rc < 0)
                return rc;
            out += part;
            from += part;
            n -= part;
        }
        at += e->bytes;
    }
    return n == 0 ? 0 : -EIO;
}

static int copy_piece(struct queue *q, struct body *b, uint32_t n)
{
    struct record_head head = {.type = RECORD_DATA,
                               .message = b->message,
                               .length = n,
                               .sequence = b->fresh->records,
                               .copy = b->fresh->copy};
    bool partial = b->kind == BODY_PARTIAL;
    struct qlog_slot slot;
    int rc = qlog_reserve(q->log, QLOG_OWN, n, q->now, &slot);

    if (rc < 0)
        return rc;
    rc = read_stream(q, b, q->sweep.copied, slot.payload, n);
    if (rc < 0) {
        b->unreadable = true;
        return -EBADMSG;
    }
    body_add(b->fresh, qlog_finish(q->log, &head,
                                   (struct qlog_item){.message = b->message,
                                                      .kind = partial ? ITEM_DATA : ITEM_COPY,
                                                      .worker = partial ? b->worker : 0}));
    b->fresh->records++;
    q->sweep.copied += n;
    q_count(q, Q_COPIED_BYTES, n);
    return 0;
}

static int copy_commit(struct queue *q, struct body *b, struct message *m)
{
    struct commit_head commit = {.total_bytes = m->content_bytes + m->envelope_bytes,
                                 .stored_us = m->stored_us,
                                 .envelope_bytes = m->envelope_bytes,
                                 .content_crc = m->content_crc,
                                 .recipients = m->recipients_n};
    struct record_head head = {.type = RECORD_COMMIT,
                               .message = m->id,
                               .sequence = b->fresh->records,
                               .copy = b->fresh->copy};
    uint64_t wanted = sizeof(commit) +
                      (uint64_t)m->recipients_n * (sizeof(struct state_entry) + REASON_BYTES_MAX);
    uint32_t room = wanted < qlog_payload_max(q->log) ? (uint32_t)wanted : qlog_payload_max(q->log);
    struct qlog_slot slot;
    int rc = qlog_reserve(q->log, QLOG_OWN, room, q->now, &slot);

    if (rc < 0)
        return rc;
    commit.state_bytes =
        (uint32_t)queue_states(m, true, slot.payload + sizeof(commit), room - sizeof(commit));
    memcpy(slot.payload, &commit, sizeof(commit));
    head.length = (uint32_t)sizeof(commit) + commit.state_bytes;
    body_committed(b->fresh,
                   qlog_finish(q->log, &head,
                               (struct qlog_item){
                                   .message = m->id, .kind = ITEM_COPY, .worker = 1 /* the last */})
                       .segment);
    return 0;
}

/* All bytes are copied.  A partial changes over at once: its COMMIT comes with this copy. */
static int finish(struct queue *q, struct body *b)
{
    struct message *m;
    int rc;

    if (b->kind == BODY_PARTIAL) {
        body_renew(b);
        q->sweep.body = NULL;
        return 0;
    }
    m = index_find(q->index, b->message);
    must(m != NULL && &m->body == b);
    rc = copy_commit(q, b, m);
    if (rc == 0)
        q->sweep.body = NULL; /* the rest happens when it is durable: queue_commit.c */
    return rc;
}

static struct body *next_body(struct queue *q)
{
    struct message *wanted = q->sweep.wanted == 0 ? NULL : index_find(q->index, q->sweep.wanted);
    struct segment *tail = qlog_tail(q->log);
    struct qlog_figures figures;
    struct body *first;

    q->sweep.wanted = 0;
    if (wanted != NULL && on_disk(q, &wanted->body) && may_copy(q, &wanted->body))
        return &wanted->body;
    if (tail == NULL || tail->bodies == NULL)
        return NULL;
    qlog_figures(q->log, &figures);
    if (!crowded(&figures, tail))
        return NULL;
    first = tail->bodies;
    for (uint32_t tries = 0; tries < 16; tries++) {
        struct body *b = tail->bodies;

        body_rotate(b);
        if (on_disk(q, b) && may_copy(q, b))
            return b;
        if (tail->bodies == first)
            break;
    }
    return NULL;
}

uint32_t sweep_turn(struct queue *q)
{
    uint32_t budget = SWEEP_SLICE_BYTES, done = 0;

    done += qlog_trim(q->log, q->now) == 1;
    while (budget > 0) {
        struct body *b = q->sweep.body;
        uint64_t left;
        uint32_t n = qlog_payload_max(q->log);
        int rc;

        if (b == NULL) {
            b = next_body(q);
            if (b == NULL)
                break;
            begin(q, b);
        }
        left = b->bytes - q->sweep.copied;
        if (n > COPY_RECORD_MAX)
            n = COPY_RECORD_MAX;
        if (n > left)
            n = (uint32_t)left;
        if (n > 0 && !on_disk(q, b))
            break; /* a partial that grew while it was copied */
        rc = n > 0 ? copy_piece(q, b, n) : finish(q, b);
        if (rc == -EBADMSG)
            sweep_forget(q, b);
        else if (rc < 0)
            break;
        done++;
        budget = budget > n + 64 ? budget - n - 64 : 0;
    }
    return done;
}

/* queue_intake.c - the ring side of a message's way in; the contract is ipc_spool.h.
 *
 * Nothing a worker says is believed: every ask is copied out of the ring and checked, chunk
 * bytes are copied into the log's batch first and only that copy is parsed and summed.  What
 * breaks the contract refuses its own message and touches nothing else.
 *
 * Room: an ask is taken only when its answers, and all verdicts still owed, fit in the ring
 * back; a worker that does not read its answers stops only itself.
 */
#include <errno.h>
#include <stdlib.h>

#include "base_crc.h"
#include "base_must.h"
#include "queue.h"

#define BUCKETS         4096u
#define ANSWERS_PER_ASK 3u

struct partial {
    struct partial *chain;
    struct body body; /* its message is the key */
    struct handle session;
    uint32_t sequence; /* of the next ask */
    uint32_t envelope_bytes, recipients, content_crc;
    uint32_t envelope_have;
    uint64_t bytes;
    uint8_t *envelope; /* our own copy */
    bool refused;      /* said so already; the rest is ignored */
};

static struct partial **bucket_of(struct intake_worker *w, uint64_t message)
{
    return &w->buckets[(message * 0x9e3779b97f4a7c15ull) >> 52];
}
_Static_assert(BUCKETS == 1u << 12, "bucket_of takes the upper 12 bits");

static struct partial *partial_find(struct intake_worker *w, uint64_t message)
{
    struct partial *p = *bucket_of(w, message);

    while (p != NULL && p->body.message != message)
        p = p->chain;
    return p;
}

static void put_answer(struct queue *q, struct intake_worker *w, const struct spool_answer *a)
{
    if (ring_put(&w->region.to_worker, a, 1) != 1)
        q_count(q, Q_RING_LOST, 1);
}

static void say(struct queue *q, struct intake_worker *w, const struct spool_ask *ask,
                enum spool_answer_type type, enum spool_reason reason, uint32_t chunk)
{
    struct spool_answer a = {.type = type,
                             .reason = reason,
                             .chunk = chunk,
                             .epoch = w->region.epoch,
                             .session = ask->session,
                             .message = ask->message};

    put_answer(q, w, &a);
}

static void count_refused(struct queue *q, enum spool_reason reason)
{
    static const enum queue_counter counter[] = {
        [SPOOL_OK] = Q_REFUSED_MALFORMED,      [SPOOL_FULL] = Q_REFUSED_FULL,
        [SPOOL_IO_ERROR] = Q_REFUSED_IO_ERROR, [SPOOL_MALFORMED] = Q_REFUSED_MALFORMED,
        [SPOOL_BUSY] = Q_REFUSED_BUSY,         [SPOOL_TOO_BIG] = Q_REFUSED_TOO_BIG};

    q_count(q, counter[reason], 1);
}

/* What a partial holds besides its place in the table. */
static void partial_empty(struct queue *q, struct partial *p)
{
    sweep_forget(q, &p->body);
    if (p->envelope != NULL) {
        q->intake.bytes -= p->envelope_bytes;
        free(p->envelope);
        p->envelope = NULL;
    }
    body_drop(&p->body);
}

static void partial_free(struct queue *q, struct intake_worker *w, struct partial *p)
{
    struct partial **at = bucket_of(w, p->body.message);

    while (*at != p)
        at = &(*at)->chain;
    *at = p->chain;
    if (!p->refused)
        w->partials--;
    q->intake.bytes -= sizeof(*p);
    partial_empty(q, p);
    free(p);
}

/* Refused ids are kept until their COMMIT or ABORT, but only the last so many: a worker that
 * never ends its messages must not fill the table. */
static void remember(struct queue *q, struct intake_worker *w, uint64_t message)
{
    uint64_t *place = &w->refused[w->refused_next++ % INTAKE_REFUSED_MAX];
    struct partial *old = *place == 0 ? NULL : partial_find(w, *place);

    *place = message;
    if (old != NULL && old->refused && old->body.message != message)
        partial_free(q, w, old);
}

/* Says REFUSED once and keeps the id, so that the rest of the message is ignored. */
static void refuse(struct queue *q, struct intake_worker *w, struct partial *p,
                   const struct spool_ask *ask, enum spool_reason reason)
{
    count_refused(q, reason);
    say(q, w, ask, SPOOL_REFUSED, reason, IPC_NO_CHUNK);
    if (p == NULL)
        return;
    if (ask->type == SPOOL_COMMIT) {
        partial_free(q, w, p);
        return;
    }
    must(!p->refused);
    p->refused = true;
    w->partials--;
    partial_empty(q, p);
    remember(q, w, ask->message);
}

static struct partial *partial_new(struct queue *q, struct intake_worker *w,
                                   const struct spool_ask *ask)
{
    struct partial **at = bucket_of(w, ask->message);
    struct partial *p;

    p = calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    body_init(&p->body, BODY_PARTIAL, ask->message, handle_worker(ask->session));
    p->session = ask->session;
    p->envelope_bytes = ask->envelope_bytes;
    p->recipients = ask->recipients;
    p->chain = *at;
    *at = p;
    w->partials++;
    q->intake.bytes += sizeof(*p);
    return p;
}

/* May this ask begin a message? */
static enum spool_reason may_begin(struct queue *q, struct intake_worker *w, uint32_t worker,
                                   const struct spool_ask *ask)
{
    if (ask->envelope_bytes < ENVELOPE_HEADER_BYTES || ask->envelope_bytes > ENVELOPE_BYTES_MAX ||
        ask->recipients == 0 || ask->message == 0 ||
        handle_worker(ask->session) != (worker & 0xff) ||
        index_find(q->index, ask->message) != NULL)
        return SPOOL_MALFORMED;
    if (ask->recipients > RECIPIENTS_MAX)
        return SPOOL_TOO_BIG;
    if (q->intake.shut || index_count(q->index) >= q->settings.limit_messages)
        return SPOOL_FULL;
    if (w->partials >= INTAKE_PARTIALS_MAX ||
        q->intake.bytes + ask->envelope_bytes > INTAKE_BYTES_MAX)
        return SPOOL_BUSY;
    return SPOOL_OK;
}

/* Does this ask go on with the message? */
static bool goes_on(const struct partial *p, const struct spool_ask *ask)
{
    return ask->sequence == p->sequence && ask->envelope_bytes == p->envelope_bytes &&
           ask->recipients == p->recipients && ask->session.bits == p->session.bits;
}

static enum spool_reason reason_of(int error)
{
    return error == -ENOSPC ? SPOOL_FULL : SPOOL_IO_ERROR;
}

/* Takes own bytes of the stream into account: envelope aside, content into the sum. */
static void absorb(struct partial *p, const uint8_t *own, uint32_t n)
{
    uint32_t head = p->envelope_bytes - p->envelope_have;

    if (head > n)
        head = n;
    if (p->envelope != NULL)
        memcpy(p->envelope + p->envelope_have, own, head);
    p->envelope_have += head;
    p->content_crc = crc32c(p->content_crc, own + head, n - head);
    p->bytes += n;
}

/* DATA: 0 done, or -EAGAIN: the log cannot take it now. */
static int take_data(struct queue *q, struct intake_worker *w, struct partial *p,
                     const struct spool_ask *ask)
{
    struct record_head head = {.type = RECORD_DATA,
                               .message = ask->message,
                               .length = ask->bytes,
                               .sequence = p->body.records,
                               .copy = p->body.copy};
    struct qlog_slot slot;
    int rc;

    if (p->body.records >= MESSAGE_RECORDS_MAX || p->bytes + ask->bytes > MESSAGE_BYTES_MAX) {
        refuse(q, w, p, ask,
               p->bytes + ask->bytes > MESSAGE_BYTES_BIG ? SPOOL_TOO_BIG : SPOOL_BUSY);
        return 0;
    }
    if (p->envelope == NULL && (p->envelope = malloc(p->envelope_bytes)) != NULL)
        q->intake.bytes += p->envelope_bytes;
    rc = p->envelope == NULL ? -ENOMEM : qlog_reserve(q->log, QLOG_MAIL, ask->bytes, q->now, &slot);
    if (rc == -EAGAIN)
        return rc;
    if (rc < 0) {
        refuse(q, w, p, ask, reason_of(rc));
        return 0;
    }
    memcpy(slot.payload, ipc_chunk(&w->region, ask->chunk), ask->bytes);
    absorb(p, slot.payload, ask->bytes);
    body_add(&p->body, qlog_finish(q->log, &head,
                                   (struct qlog_item){.message = ask->message,
                                                      .kind = ITEM_DATA,
                                                      .worker = p->body.worker}));
    p->body.records++;
    p->sequence++;
    return 0;
}

/* The message from its envelope, or NULL and *ret_reason. */
static struct message *make_message(struct queue *q, struct span envelope,
                                    const struct spool_ask *ask, enum spool_reason *ret_reason)
{
    struct envelope env;
    struct message *m;
    const char *why;

    *ret_reason = SPOOL_MALFORMED;
    if (envelope_parse(envelope, &env, &why) < 0 || env.header.message != ask->message ||
        env.header.recipients != ask->recipients)
        return NULL;
    m = message_make(q->index, &env);
    if (m == NULL)
        return NULL;
    /* A copy forward must be able to carry all recipients' states in one record. */
    if (sizeof(struct commit_head) + m->recipients_n * sizeof(struct state_entry) >
        qlog_payload_max(q->log)) {
        *ret_reason = SPOOL_TOO_BIG;
        return message_free(q->index, m);
    }
    if (!index_insert(q->index, m))
        return message_free(q->index, m);
    return m;
}

static void seal_commit(struct queue *q, struct intake_worker *w, struct partial *p,
                        struct message *m, uint8_t *payload, const struct spool_ask *ask)
{
    struct commit_head commit = {.total_bytes = ask->total_bytes,
                                 .stored_us = q->wall_us,
                                 .envelope_bytes = p->envelope_bytes,
                                 .content_crc = p->content_crc,
                                 .recipients = m->recipients_n};
    struct record_head head = {.type = RECORD_COMMIT,
                               .message = m->id,
                               .length = (uint32_t)sizeof(commit) + ask->bytes,
                               .sequence = p->body.records,
                               .copy = p->body.copy};
    struct extent e;

    memcpy(payload, &commit, sizeof(commit));
    e = qlog_finish(q->log, &head, (struct qlog_item){.message = m->id, .kind = ITEM_COMMIT});
    body_move(&m->body, &p->body, BODY_MESSAGE);
    body_committed(&m->body, e.segment);
    e.offset += (uint32_t)sizeof(commit);
    e.bytes -= (uint32_t)sizeof(commit);
    body_add(&m->body, e);
    m->stored_us = q->wall_us;
    m->content_bytes = ask->total_bytes - p->envelope_bytes;
    m->content_crc = p->content_crc;
    m->envelope_bytes = p->envelope_bytes;
    m->answer.worker = handle_worker(ask->session);
    m->answer.epoch = w->region.epoch;
    m->answer.session = ask->session;
    m->answer.owed = true;
    w->owed++;
}

/* COMMIT; p may be the caller's own, not in the table.  0, -EAGAIN, or a refusal's reason
 * through *ret_reason with -EBADMSG. */
static int take_commit(struct queue *q, struct intake_worker *w, struct partial *p,
                       const struct spool_ask *ask, enum spool_reason *ret_reason)
{
    struct qlog_slot slot;
    struct message *m;
    uint8_t *own;
    int rc;

    *ret_reason = SPOOL_MALFORMED;
    if (ask->total_bytes != p->bytes + ask->bytes || ask->total_bytes < p->envelope_bytes)
        return -EBADMSG;
    if (ask->total_bytes > MESSAGE_BYTES_MAX) {
        *ret_reason = SPOOL_TOO_BIG;
        return -EBADMSG;
    }
    rc = qlog_reserve(q->log, QLOG_MAIL, (uint32_t)sizeof(struct commit_head) + ask->bytes, q->now,
                      &slot);
    if (rc == -EAGAIN)
        return rc;
    if (rc < 0) {
        *ret_reason = reason_of(rc);
        return -EBADMSG;
    }
    own = slot.payload + sizeof(struct commit_head);
    if (ask->bytes > 0)
        memcpy(own, ipc_chunk(&w->region, ask->chunk), ask->bytes);
    absorb(p, own, ask->bytes);
    m = make_message(q, span_of(p->envelope != NULL ? p->envelope : own, p->envelope_bytes), ask,
                     ret_reason);
    if (m == NULL)
        return -EBADMSG;
    sweep_forget(q, &p->body);
    seal_commit(q, w, p, m, slot.payload, ask);
    return 0;
}

/* A message that comes whole with its COMMIT needs no place in the table. */
static int commit_at_once(struct queue *q, struct intake_worker *w, const struct spool_ask *ask)
{
    struct partial one = {.session = ask->session,
                          .envelope_bytes = ask->envelope_bytes,
                          .recipients = ask->recipients};
    enum spool_reason reason;
    int rc;

    body_init(&one.body, BODY_PARTIAL, ask->message, handle_worker(ask->session));
    rc = take_commit(q, w, &one, ask, &reason);
    if (rc == -EBADMSG)
        refuse(q, w, NULL, ask, reason);
    return rc == -EAGAIN ? rc : 0;
}

static int commit_partial(struct queue *q, struct intake_worker *w, struct partial *p,
                          const struct spool_ask *ask)
{
    enum spool_reason reason;
    int rc = take_commit(q, w, p, ask, &reason);

    if (rc == -EAGAIN)
        return rc;
    if (rc == -EBADMSG)
        refuse(q, w, p, ask, reason);
    else
        partial_free(q, w, p);
    return 0;
}

static void take_cancel(struct queue *q, struct intake_worker *w, uint32_t worker,
                        struct partial *p, const struct spool_ask *ask)
{
    struct message *m = index_find(q->index, ask->message);

    if (p != NULL) { /* before its COMMIT: an ABORT that wants an answer, unless it had one */
        if (!p->refused)
            say(q, w, ask, SPOOL_CANCELLED, SPOOL_OK, IPC_NO_CHUNK);
        q_count(q, Q_CANCELLED, 1);
        partial_free(q, w, p);
        return;
    }
    /* Unknown: its verdict is in the ring already.  Another worker's: none of its business. */
    if (m == NULL || m->answer.worker != (worker & 0xff) || m->answer.epoch != w->region.epoch ||
        m->answer.session.bits != ask->session.bits)
        return;
    if (m->state == MESSAGE_COMMITTING) {
        m->cancelled = true;
        q_count(q, Q_CANCELLED, 1);
        queue_end(q, m);
    } else if (m->state == MESSAGE_LIVE) {
        q_count(q, Q_CANCEL_LATE, 1);
        say(q, w, ask, SPOOL_DURABLE, SPOOL_OK, IPC_NO_CHUNK);
    }
}

static bool well_formed(const struct intake_worker *w, const struct spool_ask *ask)
{
    bool with_chunk = ask->chunk != IPC_NO_CHUNK;

    if (ask->epoch != w->region.epoch)
        return false;
    if (with_chunk != (ask->bytes > 0) || ask->bytes > IPC_CHUNK_BYTES ||
        (with_chunk && ask->chunk >= IPC_CHUNKS))
        return false;
    return ask->type == SPOOL_COMMIT || with_chunk == (ask->type == SPOOL_DATA);
}

/* DATA and COMMIT.  0 or -EAGAIN. */
static int take_stream(struct queue *q, struct intake_worker *w, uint32_t worker, struct partial *p,
                       const struct spool_ask *ask)
{
    enum spool_reason reason;

    if (p == NULL) {
        if (ask->sequence != 0) { /* the rest of something refused or dropped */
            q_count(q, Q_BAD_ASKS, 1);
            if (ask->type == SPOOL_COMMIT)
                refuse(q, w, NULL, ask, SPOOL_MALFORMED);
            return 0;
        }
        reason = may_begin(q, w, worker, ask);
        if (reason == SPOOL_OK && ask->type == SPOOL_COMMIT)
            return commit_at_once(q, w, ask);
        p = ask->type == SPOOL_COMMIT ? NULL : partial_new(q, w, ask);
        if (p == NULL || reason != SPOOL_OK) {
            refuse(q, w, p, ask, reason == SPOOL_OK ? SPOOL_BUSY : reason);
            return 0;
        }
    }
    if (p->refused) {
        if (ask->type == SPOOL_COMMIT)
            partial_free(q, w, p);
        return 0;
    }
    if (!goes_on(p, ask)) {
        q_count(q, Q_BAD_ASKS, 1);
        refuse(q, w, p, ask, SPOOL_MALFORMED);
        return 0;
    }
    return ask->type == SPOOL_DATA ? take_data(q, w, p, ask) : commit_partial(q, w, p, ask);
}

/* 0, or -EAGAIN: the same ask must be tried again. */
static int take_ask(struct queue *q, struct intake_worker *w, uint32_t worker,
                    const struct spool_ask *ask)
{
    struct partial *p = partial_find(w, ask->message);
    int rc = 0;

    if (ask->type < SPOOL_DATA || ask->type > SPOOL_CANCEL || !well_formed(w, ask)) {
        q_count(q, Q_BAD_ASKS, 1);
        if (p != NULL && !p->refused)
            refuse(q, w, p, ask, SPOOL_MALFORMED);
        else if (p == NULL && (ask->type == SPOOL_DATA || ask->type == SPOOL_COMMIT) &&
                 ask->sequence == 0)
            refuse(q, w, NULL, ask, SPOOL_MALFORMED);
    } else if (ask->type == SPOOL_ABORT) {
        q_count(q, Q_ABORTED, p != NULL && !p->refused);
        if (p != NULL)
            partial_free(q, w, p);
    } else if (ask->type == SPOOL_CANCEL) {
        take_cancel(q, w, worker, p, ask);
    } else {
        rc = take_stream(q, w, worker, p, ask);
    }
    if (rc == 0 && ask->chunk < IPC_CHUNKS)
        say(q, w, ask, SPOOL_CHUNK_BACK, SPOOL_OK, ask->chunk);
    return rc;
}

uint32_t intake_turn(struct queue *q, struct intake_worker *w, uint32_t worker)
{
    uint32_t done = 0;

    if (!w->open)
        return 0;
    for (; done < INTAKE_BURST; done++) {
        w->no_room = ring_room(&w->region.to_worker) < w->owed + ANSWERS_PER_ASK;
        if (w->no_room)
            break;
        if (!w->has_stalled && ring_get(&w->region.to_peer, &w->stalled, 1) != 1)
            break;
        w->has_stalled = take_ask(q, w, worker, &w->stalled) == -EAGAIN;
        if (w->has_stalled)
            break;
    }
    return done;
}

void intake_answer(struct queue *q, struct message *m, enum spool_answer_type type,
                   enum spool_reason reason)
{
    struct intake_worker *w = &q->intake.workers[m->answer.worker % INTAKE_WORKERS_MAX];
    struct spool_answer a = {.type = type,
                             .reason = reason,
                             .chunk = IPC_NO_CHUNK,
                             .epoch = m->answer.epoch,
                             .session = m->answer.session,
                             .message = m->id};

    if (type == SPOOL_REFUSED)
        count_refused(q, reason);
    if (!m->answer.owed || !w->open || w->region.epoch != m->answer.epoch)
        return;
    m->answer.owed = false;
    must(w->owed > 0);
    w->owed--;
    put_answer(q, w, &a);
}

void intake_data_failed(struct queue *q, uint32_t worker, uint64_t message)
{
    struct intake_worker *w = &q->intake.workers[worker % INTAKE_WORKERS_MAX];
    struct partial *p = w->open ? partial_find(w, message) : NULL;
    struct message *m;

    if (p != NULL && !p->refused) {
        struct spool_ask ask = {.type = SPOOL_DATA, .session = p->session, .message = message};

        refuse(q, w, p, &ask, SPOOL_IO_ERROR);
        return;
    }
    m = index_find(q->index, message);
    if (m != NULL && m->state == MESSAGE_COMMITTING)
        m->broken = true; /* its COMMIT may yet reach the disk, but not all of its bytes did */
}

void intake_states(struct queue *q)
{
    int state = q->intake.shut ? SPOOL_FULL : SPOOL_OK;

    for (uint32_t i = 0; i < INTAKE_WORKERS_MAX; i++) {
        struct intake_worker *w = &q->intake.workers[i];
        struct spool_answer a = {.type = SPOOL_STATE,
                                 .reason = (uint32_t)state,
                                 .chunk = IPC_NO_CHUNK,
                                 .epoch = w->region.epoch};

        if (!w->open || w->said == state ||
            ring_room(&w->region.to_worker) < w->owed + ANSWERS_PER_ASK)
            continue;
        put_answer(q, w, &a);
        w->said = state;
    }
}

void intake_open(struct queue *q, uint32_t worker, const struct ipc_region *region)
{
    struct intake_worker *w = &q->intake.workers[worker];

    must(worker < INTAKE_WORKERS_MAX);
    intake_close(q, worker);
    memset(w, 0, sizeof(*w));
    w->buckets = calloc(BUCKETS, sizeof(struct partial *));
    w->refused = calloc(INTAKE_REFUSED_MAX, sizeof(*w->refused));
    must(w->buckets != NULL && w->refused != NULL);
    w->region = *region;
    w->open = true;
    w->said = -1;
}

void intake_close(struct queue *q, uint32_t worker)
{
    struct intake_worker *w = &q->intake.workers[worker];

    if (!w->open)
        return;
    for (uint32_t i = 0; i < BUCKETS; i++)
        while (w->buckets[i] != NULL)
            partial_free(q, w, w->buckets[i]);
    free(w->buckets);
    free(w->refused);
    w->buckets = NULL;
    w->refused = NULL;
    w->open = false;
    w->has_stalled = false;
}

bool intake_stalled(const struct queue *q)
{
    for (uint32_t i = 0; i < INTAKE_WORKERS_MAX; i++)
        if (q->intake.workers[i].open &&
            (q->intake.workers[i].has_stalled || q->intake.workers[i].no_room))
            return true;
    return false;
}

uint32_t intake_partials(const struct queue *q)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < INTAKE_WORKERS_MAX; i++)
        n += q->intake.workers[i].partials;
    return n;
}

void intake_done(struct queue *q)
{
    for (uint32_t i = 0; i < INTAKE_WORKERS_MAX; i++)
        intake_close(q, i);
}

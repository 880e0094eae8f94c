/* queue_commit.c - what came back from the disk, and what has still to go there.
 *
 * A message whose state changed is put on the dirty list; the list is written out as OUTCOME
 * or DONE records whenever the log takes them.  If the batch with such a record fails, the
 * message simply becomes dirty again: records say what is, not what changed. */
#include "queue.h"

#include "base_must.h"

void queue_dirty(struct queue *q, struct message *m)
{
    if (m->in_dirty)
        return;
    m->in_dirty = true;
    m->dirty_next = NULL;
    if (q->dirty_first == NULL)
        q->dirty_first = m;
    else
        q->dirty_last->dirty_next = m;
    q->dirty_last = m;
}

void queue_end(struct queue *q, struct message *m)
{
    must(m->active == 0);
    /* No COMMIT of a copy may follow the DONE in the log: it would bring the message back. */
    sweep_forget(q, &m->body);
    m->state = MESSAGE_ENDING;
    sched_unwait(q->sched, &m->wait);
    queue_dirty(q, m);
}

size_t queue_states(struct message *m, bool all, uint8_t *out, size_t room)
{
    size_t used = 0, n = all ? m->recipients_n : 0, fixed, text_max;

    for (uint32_t i = 0; !all && i < m->recipients_n; i++)
        n += m->recipients[i].dirty;
    if (n == 0)
        return 0;
    /* States must go in; reasons as far as there is room. */
    fixed = n * sizeof(struct state_entry);
    must(fixed <= room);
    text_max = (room - fixed) / n;
    for (uint32_t i = 0; i < m->recipients_n; i++) {
        struct recipient *r = &m->recipients[i];
        struct state_entry e = {.next_us = r->next_us,
                                .recipient = i,
                                .attempts = r->attempts,
                                .code = r->code,
                                .state = r->state};
        struct span text = r->reason == NULL ? span_of(NULL, 0) : span_str(r->reason);
        size_t wrote;

        if (!all && !r->dirty)
            continue;
        memcpy(e.status, r->status, sizeof(e.status));
        if (text.len > text_max)
            text.len = text_max;
        wrote = state_put(out + used, room - used, &e, text);
        must(wrote > 0);
        used += wrote;
    }
    return used;
}

/* Room for n recipients' states with their reasons, within what a record may have. */
static uint32_t states_room(const struct queue *q, uint32_t n)
{
    uint64_t room = (uint64_t)n * (sizeof(struct state_entry) + REASON_BYTES_MAX);

    return room < qlog_payload_max(q->log) ? (uint32_t)room : qlog_payload_max(q->log);
}

static int write_dirty(struct queue *q, struct message *m)
{
    bool done = m->state == MESSAGE_ENDING;
    struct record_head head = {.type = done ? RECORD_DONE : RECORD_OUTCOME, .message = m->id};
    uint32_t n = 0;
    struct qlog_slot slot;
    int rc;

    for (uint32_t i = 0; !done && i < m->recipients_n; i++)
        n += m->recipients[i].dirty;
    if (!done && n == 0)
        return 0;
    rc = qlog_reserve(q->log, QLOG_OWN, done ? 0 : states_room(q, n), q->now, &slot);
    if (rc < 0)
        return rc;
    if (!done)
        head.length = (uint32_t)queue_states(m, false, slot.payload, slot.payload_max);
    (void)qlog_finish(q->log, &head,
                      (struct qlog_item){.message = m->id, .kind = done ? ITEM_DONE : ITEM_STATE});
    for (uint32_t i = 0; i < m->recipients_n; i++)
        m->recipients[i].dirty = false;
    return 0;
}

uint32_t queue_flush_dirty(struct queue *q)
{
    uint32_t done = 0;

    while (q->dirty_first != NULL && done < TURN_DIRTY) {
        struct message *m = q->dirty_first;

        if (m->state == MESSAGE_LIVE && message_finished(m) && m->active == 0)
            queue_end(q, m);
        if (write_dirty(q, m) < 0)
            break;
        q->dirty_first = m->dirty_next;
        m->in_dirty = false;
        done++;
    }
    return done;
}

static void committed(struct queue *q, struct message *m, int error)
{
    if (m->state != MESSAGE_COMMITTING) /* cancelled meanwhile: DONE is on its way */
        return;
    if (error != 0 || m->broken) {
        intake_answer(q, m, SPOOL_REFUSED, SPOOL_IO_ERROR);
        queue_end(q, m); /* the record may have reached the disk after all: cancel it there */
        return;
    }
    m->state = MESSAGE_LIVE;
    q_count(q, Q_MESSAGES_DURABLE, 1);
    q_count(q, Q_BYTES_DURABLE, m->content_bytes + m->envelope_bytes);
    intake_answer(q, m, SPOOL_DURABLE, SPOOL_OK);
    queue_schedule(q, m);
}

static void ended(struct queue *q, struct message *m, int error)
{
    if (error != 0) {
        if (m->cancelled) /* we shall not deliver it; only a crash now could bring it back */
            intake_answer(q, m, SPOOL_CANCELLED, SPOOL_OK);
        queue_dirty(q, m);
        return;
    }
    if (m->cancelled)
        intake_answer(q, m, SPOOL_CANCELLED, SPOOL_OK);
    must(!m->in_dirty);
    sweep_forget(q, &m->body);
    index_remove(q->index, m);
    body_drop(&m->body);
    message_free(q->index, m);
}

static void copied(struct message *m, bool last, int error)
{
    if (error != 0)
        m->body.fresh_broken = true;
    if (!last || m->body.fresh == NULL)
        return;
    if (m->body.fresh_broken)
        body_forget_fresh(&m->body);
    else
        body_renew(&m->body);
}

static void take_item(struct queue *q, const struct qlog_item *item, int error)
{
    struct message *m;

    if (item->kind == ITEM_TRIM) {
        q_count(q, Q_RECYCLED, error == 0);
        qlog_trimmed(q->log, error == 0);
        return;
    }
    if (item->kind == ITEM_DATA) {
        if (error != 0)
            intake_data_failed(q, item->worker, item->message);
        return;
    }
    m = index_find(q->index, item->message);
    if (m == NULL)
        return;
    switch (item->kind) {
    case ITEM_COMMIT:
        committed(q, m, error);
        break;
    case ITEM_DONE:
        ended(q, m, error);
        break;
    case ITEM_COPY:
        copied(m, item->worker != 0, error);
        break;
    case ITEM_STATE:
        if (error == 0 || m->state != MESSAGE_LIVE)
            break;
        for (uint32_t i = 0; i < m->recipients_n; i++)
            m->recipients[i].dirty = true;
        queue_dirty(q, m);
        break;
    default:
        must(false);
    }
}

uint32_t queue_commits(struct queue *q)
{
    struct qlog_result result;
    uint32_t done = 0;

    while (qlog_reap(q->log, q->now, &result) == 1) {
        if (result.error != 0) {
            q_count(q, Q_COMMIT_FAILURES, 1);
            sweep_failed(q);
        } else {
            q_count(q, Q_COMMITS, 1);
            q_count(q, Q_COMMIT_RECORDS, result.items_n);
            q_count(q, Q_COMMIT_BYTES, result.bytes);
            histogram_add(&q->report.histograms[QH_COMMIT], usec_since(result.started, q->now));
        }
        for (uint32_t i = 0; i < result.items_n; i++)
            take_item(q, &result.items[i], result.error);
        qlog_release(q->log);
        done++;
        qlog_kick(q->log, q->now);
    }
    return done;
}

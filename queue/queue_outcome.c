/* queue_outcome.c - what came of an attempt, recipient by recipient.
 *
 * Delivered is delivered, whatever happens to the others.  Deferred waits and is tried again
 * until its time is over.  Failed and expired recipients are held and shown, never dropped. */
#include "queue.h"

static const char *result_name(enum recipient_state state, const struct outcome_recipient *o)
{
    if (o->result == ATTEMPT_DELIVERED)
        return "delivered";
    if (o->result == ATTEMPT_FAILED)
        return "failed";
    return state == RECIPIENT_HELD ? "expired" : "deferred";
}

static void delivered(struct queue *q, struct message *m, struct recipient *r)
{
    uint64_t took = q->wall_us > m->stored_us ? q->wall_us - m->stored_us : 0;

    message_enter(m, r, RECIPIENT_DELIVERED);
    histogram_add(&q->report.histograms[QH_DELIVERY], took);
    q_count(q, Q_DELIVERED, 1);
}

void outcome_apply(struct queue *q, struct message *m, uint32_t recipient,
                   const struct outcome_recipient *o, struct span route, struct span target)
{
    struct recipient *r = &m->recipients[recipient];
    uint64_t next = 0;

    if (r->attempts < UINT32_MAX)
        r->attempts++;
    r->code = o->code;
    memcpy(r->status, o->status, sizeof(r->status));
    message_reason(q->index, r, o->result == ATTEMPT_DELIVERED ? span_of(NULL, 0) : o->text);
    if (o->result == ATTEMPT_DEFERRED)
        next = retry_next(&q->settings.retry, m->stored_us, q->wall_us, r->attempts,
                          rand_u64(&q->rand));
    r->next_us = next;
    if (o->result == ATTEMPT_DELIVERED) {
        delivered(q, m, r);
    } else if (o->result == ATTEMPT_FAILED || next == 0 || r->hold) {
        message_enter(m, r, RECIPIENT_HELD);
        q_count(q, Q_HELD, 1);
    } else {
        q_count(q, Q_DEFERRED, 1);
    }
    r->hold = false;
    r->dirty = true;
    report_delivery(q, &(struct delivery){.message = m,
                                          .recipient = r,
                                          .route = route,
                                          .target = target,
                                          .result = result_name((enum recipient_state)r->state, o),
                                          .code = o->code,
                                          .status = o->status,
                                          .text = o->text});
}

void outcome_settle(struct queue *q, struct message *m)
{
    if (m->state != MESSAGE_LIVE)
        return;
    if (m->active == 0 && (m->doomed || message_finished(m))) {
        queue_end(q, m);
        return;
    }
    for (uint32_t i = 0; i < m->recipients_n; i++)
        if (m->recipients[i].dirty) {
            queue_dirty(q, m);
            break;
        }
    queue_schedule(q, m);
}

/* Text in the log is whole UTF-8 or what the server sent; the log writer escapes. */
static struct attempt_slot *slot_of(struct queue *q, const struct outcome *o)
{
    uint32_t index = (uint32_t)(o->head.attempt & 0xff);
    struct attempt_slot *slot;

    if (index >= ATTEMPTS_MAX)
        return NULL;
    slot = &q->attempts.slots[index];
    if (slot->job == NULL || slot->token != o->head.attempt ||
        slot->job->message->id != o->head.message || slot->job->recipients_n != o->head.recipients)
        return NULL;
    return slot;
}

void queue_outcome(struct queue *q, struct span packet)
{
    static struct outcome o; /* the queue has one thread */
    struct attempt_slot *slot = outcome_parse(packet, &o) < 0 ? NULL : slot_of(q, &o);
    struct message *m;
    struct span route = span_of(NULL, 0);

    if (slot == NULL) {
        q_count(q, Q_BAD_OUTCOMES, 1);
        return;
    }
    m = slot->job->message;
    m->crashes = 0;
    if (slot->job->generation == q->route.generation)
        route = route_name(&q->route, slot->route);
    for (uint32_t i = 0; i < slot->job->recipients_n; i++)
        outcome_apply(q, m, slot->job->recipients[i], &o.recipients[i], route,
                      o.remote.len > 0 ? o.remote : span_str(slot->target));
    attempt_end(q, slot);
    outcome_settle(q, m);
}

/* The delivery process is gone and with it what was under way.  That is our own doing: it is
 * tried again at once, unless the same message has been there each of several times. */
void queue_deliver_gone(struct queue *q)
{
    static const struct outcome_recipient died = {
        .result = ATTEMPT_DEFERRED,
        .status = {4, 3,                                                   0},
        .text = {(const uint8_t *)"the delivery process died with it", 33}
    };

    q->attempts.port = NULL;
    for (uint32_t i = 0; i < ATTEMPTS_MAX; i++) {
        struct attempt_slot *slot = &q->attempts.slots[i];
        struct message *m;

        if (slot->job == NULL)
            continue;
        m = slot->job->message;
        q_count(q, Q_DELIVERY_LOST, 1);
        if (m->crashes < UINT8_MAX)
            m->crashes++;
        for (uint32_t r = 0; r < slot->job->recipients_n; r++) {
            uint32_t recipient = slot->job->recipients[r];

            if (m->crashes > CRASHES_FREE || m->recipients[recipient].hold)
                outcome_apply(q, m, recipient, &died, span_of(NULL, 0), span_str(slot->target));
            else
                m->recipients[recipient].next_us = 0;
        }
        attempt_end(q, slot);
        outcome_settle(q, m);
    }
}

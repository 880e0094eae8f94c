/* queue_change.c - flush, hold, release, delete on one message; see queue_change.h. */
#include "queue_change.h"

#include <stdlib.h>

#include "base_must.h"

uint32_t change_flush(struct queue *q, struct message *m, const struct filter *f)
{
    uint32_t changed = 0;

    for (uint32_t i = 0; i < m->recipients_n; i++) {
        struct recipient *r = &m->recipients[i];

        if (r->state != RECIPIENT_WAITING || r->under_way || !filter_recipient(f, r))
            continue;
        r->next_us = 0; /* in line already: nothing to do, and that is what was asked */
        changed = 1;
    }
    if (changed != 0)
        queue_schedule(q, m);
    return changed;
}

/* Which recipients match must be known before jobs are voided: "active" is part of it. */
static bool *matches(const struct message *m, const struct filter *f, uint32_t *ret_n)
{
    bool *hit = calloc(m->recipients_n, sizeof(*hit));

    must(hit != NULL);
    *ret_n = 0;
    for (uint32_t i = 0; i < m->recipients_n; i++) {
        hit[i] =
            m->recipients[i].state != RECIPIENT_DELIVERED && filter_recipient(f, &m->recipients[i]);
        *ret_n += hit[i];
    }
    return hit;
}

uint32_t change_hold(struct queue *q, struct message *m, const struct filter *f)
{
    uint32_t n, changed = 0;
    bool *hit = matches(m, f, &n);

    message_void_jobs(m);
    for (uint32_t i = 0; i < m->recipients_n; i++) {
        struct recipient *r = &m->recipients[i];

        if (!hit[i] || r->state != RECIPIENT_WAITING)
            continue;
        changed = 1;
        if (r->under_way) {
            r->hold = true;
            continue;
        }
        message_enter(m, r, RECIPIENT_HELD);
        message_reason(q->index, r, span_str("held by order"));
        r->dirty = true;
    }
    free(hit);
    outcome_settle(q, m);
    return changed;
}

uint32_t change_release(struct queue *q, struct message *m, const struct filter *f)
{
    uint32_t changed = 0;

    for (uint32_t i = 0; i < m->recipients_n; i++) {
        struct recipient *r = &m->recipients[i];

        if (!filter_recipient(f, r))
            continue;
        if (r->hold) {
            r->hold = false;
            changed = 1;
        }
        if (r->state != RECIPIENT_HELD)
            continue;
        message_enter(m, r, RECIPIENT_WAITING);
        r->next_us = 0;
        r->dirty = true;
        changed = 1;
    }
    if (changed != 0)
        outcome_settle(q, m);
    return changed;
}

uint32_t change_delete(struct queue *q, struct message *m, const struct filter *f)
{
    uint32_t n, changed = 0;
    bool *hit = matches(m, f, &n);

    message_void_jobs(m);
    if (n > 0 && n == m->waiting + m->held) {
        m->doomed = true;
        changed = 1;
    }
    for (uint32_t i = 0; !m->doomed && i < m->recipients_n; i++) {
        struct recipient *r = &m->recipients[i];

        if (!hit[i] || r->under_way)
            continue;
        message_enter(m, r, RECIPIENT_DELIVERED); /* nothing more to do for it */
        message_reason(q->index, r, span_str("deleted by order"));
        r->dirty = true;
        changed = 1;
    }
    free(hit);
    outcome_settle(q, m);
    return changed;
}

/* queue_attempt.c - from "due" to a packet for sluice-deliver.
 *
 * A message that is due is cut into jobs by its recipients' routes of now; jobs wait in line by
 * destination (queue_sched.h); one that may start becomes an ATTEMPT with read-only descriptors
 * of the segments its content stands in.  A discard: route ends here. */
#include <errno.h>
#include <stdlib.h>

#include "base_must.h"
#include "queue.h"

#define NO_SLOT        UINT32_MAX
#define GATHER_WAIT_US 1000000u
#define CHECK_EVERY_US 1000000u

static const struct outcome_recipient no_route = {
    .result = ATTEMPT_DEFERRED,
    .status = {4, 4,                                          4},
    .text = {(const uint8_t *)"no route for this domain", 24}
};

void attempts_init(struct queue *q)
{
    struct attempts *a = &q->attempts;

    a->packet = malloc(ATTEMPT_BYTES_MAX);
    must(a->packet != NULL);
    for (uint32_t i = 0; i < ATTEMPTS_MAX; i++)
        a->slots[i].next_free = i + 1 < ATTEMPTS_MAX ? i + 1 : NO_SLOT;
    a->free_head = 0;
}

/* The message no longer knows the job. */
static void unlink_job(struct job *job)
{
    struct job **at = &job->message->jobs;

    while (*at != job)
        at = &(*at)->sibling;
    *at = job->sibling;
    for (uint32_t i = 0; i < job->recipients_n; i++) {
        must(job->message->active > 0);
        job->message->recipients[job->recipients[i]].active = false;
        job->message->recipients[job->recipients[i]].under_way = false;
        job->message->active--;
    }
}

void job_release(struct queue *q, struct job *job)
{
    if (job->message != NULL)
        unlink_job(job);
    if (job->active)
        sched_done(q->sched, job);
    free(job);
}

void message_void_jobs(struct message *m)
{
    struct job *next;

    for (struct job *job = m->jobs; job != NULL; job = next) {
        next = job->sibling;
        if (job->active)
            continue;
        unlink_job(job);
        job->message = NULL; /* the line frees it when its turn comes */
    }
}

void queue_schedule(struct queue *q, struct message *m)
{
    uint64_t first = UINT64_MAX, wait;

    for (uint32_t i = 0; i < m->recipients_n; i++) {
        const struct recipient *r = &m->recipients[i];

        if (r->state == RECIPIENT_WAITING && !r->active && r->next_us < first)
            first = r->next_us;
    }
    if (first == UINT64_MAX || m->state != MESSAGE_LIVE || m->doomed) {
        sched_unwait(q->sched, &m->wait);
        return;
    }
    wait = first > q->wall_us ? first - q->wall_us : 0;
    /* A wall clock that was set back must not leave mail waiting for years. */
    if (wait > q->settings.retry.maximum_us * 2)
        wait = q->settings.retry.maximum_us * 2;
    sched_wait(q->sched, &m->wait, usec_add(q->now, wait));
}

/* Due: jobs */

static void push_job(struct queue *q, struct message *m, struct job *job, uint32_t route)
{
    job->message = m;
    job->generation = q->route.generation;
    job->sibling = m->jobs;
    m->jobs = job;
    sched_push(q->sched, route_name(&q->route, route), job);
}

static struct job *new_job(uint32_t recipients)
{
    struct job *job = calloc(1, sizeof(*job) + recipients * sizeof(job->recipients[0]));

    must(job != NULL);
    return job;
}

/* One job for recipient i and the later ones that go the same way. */
static void job_from(struct queue *q, struct message *m, uint32_t i, uint32_t route,
                     const uint32_t *routes)
{
    uint32_t left = m->recipients_n - i;
    struct job *job = new_job(left < ATTEMPT_RECIPIENTS_MAX ? left : ATTEMPT_RECIPIENTS_MAX);

    for (; i < m->recipients_n && job->recipients_n < ATTEMPT_RECIPIENTS_MAX; i++) {
        struct recipient *r = &m->recipients[i];

        if (routes[i] != route || r->active)
            continue;
        r->active = true;
        m->active++;
        job->recipients[job->recipients_n++] = i;
    }
    push_job(q, m, job, route);
}

static bool is_due(const struct queue *q, const struct message *m, const struct recipient *r)
{
    /* The wait is over by the clock that never jumps; the other one may be a little behind. */
    return r->state == RECIPIENT_WAITING && !r->active &&
           (r->next_us <= q->wall_us + CHECK_EVERY_US ||
            r->next_us > q->wall_us + q->settings.retry.maximum_us * 2) &&
           !m->doomed;
}

static void expand(struct queue *q, struct message *m)
{
    uint32_t one, *routes = m->recipients_n == 1 ? &one : malloc(m->recipients_n * sizeof(*routes));
    bool settled = false;

    must(routes != NULL);
    for (uint32_t i = 0; i < m->recipients_n; i++) {
        struct recipient *r = &m->recipients[i];

        routes[i] = POLICY_NONE;
        if (!is_due(q, m, r))
            continue;
        routes[i] = route_of(&q->route, r->address);
        if (routes[i] == POLICY_NONE) {
            outcome_apply(q, m, i, &no_route, span_of(NULL, 0), span_of(NULL, 0));
            settled = true;
        }
    }
    for (uint32_t i = 0; i < m->recipients_n; i++)
        if (routes[i] != POLICY_NONE && !m->recipients[i].active)
            job_from(q, m, i, routes[i], routes);
    if (routes != &one)
        free(routes);
    if (settled)
        outcome_settle(q, m);
    else
        queue_schedule(q, m);
}

static uint32_t take_due(struct queue *q)
{
    uint32_t done = 0;

    while (route_ready(&q->route) && done < TURN_DUE) {
        struct sched_wait *w = sched_due(q->sched, q->now);

        if (w == NULL)
            break;
        expand(q, (struct message *)(void *)((uint8_t *)w - offsetof(struct message, wait)));
        done++;
    }
    return done;
}

/* A job whose turn has come */

struct parts { /* of one packet */
    struct attempt_extent extents[ATTEMPT_EXTENTS_MAX];
    struct segment *segments[ATTEMPT_SEGMENTS_MAX];
    int fds[ATTEMPT_SEGMENTS_MAX];
    uint32_t extents_n, segments_n;
};

/* The content's extents: those of the stream without the envelope.  0 or -errno. */
static int collect(struct queue *q, const struct message *m, struct parts *p)
{
    uint64_t skip = m->envelope_bytes;

    p->extents_n = p->segments_n = 0;
    for (uint32_t i = 0; i < m->body.extents_n; i++) {
        const struct extent *e = &m->body.extents[i];
        uint32_t cut = skip < e->bytes ? (uint32_t)skip : e->bytes;

        skip -= cut;
        if (cut == e->bytes)
            continue;
        if (p->segments_n == 0 || p->segments[p->segments_n - 1] != e->segment) {
            int fd = p->segments_n == ATTEMPT_SEGMENTS_MAX ? -E2BIG
                                                           : qlog_descriptor(q->log, e->segment);

            if (fd < 0)
                return fd;
            p->segments[p->segments_n] = e->segment;
            p->fds[p->segments_n++] = fd;
        }
        if (p->extents_n == ATTEMPT_EXTENTS_MAX)
            return -E2BIG;
        p->extents[p->extents_n++] = (struct attempt_extent){
            .segment = p->segments_n - 1, .bytes = e->bytes - cut, .offset = e->offset + cut};
    }
    return 0;
}

/* Gives the later half of the job's recipients a job of their own. */
static void split(struct queue *q, struct job *job, uint32_t route)
{
    uint32_t keep = job->recipients_n / 2, rest = job->recipients_n - keep;
    struct job *other = new_job(rest);

    memcpy(other->recipients, job->recipients + keep, rest * sizeof(other->recipients[0]));
    other->recipients_n = rest;
    job->recipients_n = keep;
    push_job(q, job->message, other, route);
}

static size_t write_packet(struct queue *q, struct job *job, const struct parts *p, uint64_t token,
                           uint32_t route, struct span target)
{
    const struct message *m = job->message;
    struct attempt a = {
        .head = {.attempt = token,
                 .message = m->id,
                 .session = m->session,
                 .content_bytes = m->content_bytes,
                 .arrived_us = m->arrived_us,
                 .content_crc = m->content_crc,
                 .extents = p->extents_n,
                 .segments = p->segments_n,
                 .flags = m->flags,
                 .abi = IPC_ABI},
        .target = target,
        .sender = m->sender
    };

    for (;;) {
        size_t n;

        a.head.recipients = job->recipients_n;
        for (uint32_t i = 0; i < job->recipients_n; i++)
            a.recipients[i] = m->recipients[job->recipients[i]].address;
        n = attempt_write(q->attempts.packet, ATTEMPT_BYTES_MAX, &a, p->extents);
        if (n > 0 || job->recipients_n == 1)
            return n;
        split(q, job, route);
    }
}

static struct attempt_slot *take_slot(struct queue *q, struct job *job, uint32_t route,
                                      struct span target)
{
    struct attempts *a = &q->attempts;
    struct attempt_slot *slot = &a->slots[a->free_head];
    size_t n = target.len < sizeof(slot->target) ? target.len : sizeof(slot->target) - 1;
    uint32_t index = a->free_head;

    must(index != NO_SLOT); /* the scheduler's total cap is the number of slots */
    a->free_head = slot->next_free;
    memset(slot, 0, sizeof(*slot));
    slot->job = job;
    slot->token = (++a->last_token << 8) | index;
    slot->started = q->now;
    slot->route = route;
    memcpy(slot->target, target.ptr, n);
    slot->target[n] = '\0';
    return slot;
}
_Static_assert(ATTEMPTS_MAX <= 256, "a token holds the slot in eight bits");

void attempt_end(struct queue *q, struct attempt_slot *slot)
{
    struct attempts *a = &q->attempts;

    for (uint32_t i = 0; i < slot->pinned_n; i++)
        segment_returned(slot->pinned[i]);
    free(slot->pinned);
    job_release(q, slot->job);
    slot->pinned = NULL;
    slot->pinned_n = 0;
    slot->job = NULL;
    slot->token = 0;
    slot->next_free = a->free_head;
    a->free_head = (uint32_t)(slot - a->slots);
}

static void discard(struct queue *q, struct job *job, uint32_t route, struct span target)
{
    static const char text[] = "discarded";
    const struct outcome_recipient o = {
        .result = ATTEMPT_DELIVERED,
        .status = {2, 0,                    0},
        .code = 250,
        .text = {(const uint8_t *)text, sizeof(text) - 1}
    };
    struct message *m = job->message;

    for (uint32_t i = 0; i < job->recipients_n; i++)
        outcome_apply(q, m, job->recipients[i], &o, route_name(&q->route, route), target);
    q_count(q, Q_DISCARDED, job->recipients_n);
    q_count(q, Q_DISCARDED_DIGEST, m->content_crc);
    job_release(q, job);
    outcome_settle(q, m);
}

/* Not now; no recipient is to blame. */
static void postpone(struct queue *q, struct job *job, uint64_t wait_us)
{
    struct message *m = job->message;

    for (uint32_t i = 0; i < job->recipients_n; i++)
        m->recipients[job->recipients[i]].next_us = wait_us == 0 ? 0 : q->wall_us + wait_us;
    job_release(q, job);
    outcome_settle(q, m);
}

static void fail_here(struct queue *q, struct job *job, const char *text)
{
    const struct outcome_recipient o = {
        .result = ATTEMPT_DEFERRED, .status = {4, 3, 0},
             .text = span_str(text)
    };
    struct message *m = job->message;

    for (uint32_t i = 0; i < job->recipients_n; i++)
        outcome_apply(q, m, job->recipients[i], &o, span_of(NULL, 0), span_of(NULL, 0));
    job_release(q, job);
    outcome_settle(q, m);
}

/* 0; -EAGAIN: the port takes no more now. */
static int start(struct queue *q, struct job *job, uint32_t route, struct span target)
{
    static struct parts parts; /* 100 KiB; the queue has one thread */
    struct attempt_slot *slot;
    struct message *m = job->message;
    int rc = collect(q, m, &parts);
    size_t n;

    if (rc == -E2BIG) {
        sweep_want(q, m);
        postpone(q, job, GATHER_WAIT_US);
        return 0;
    }
    if (rc < 0) {
        fail_here(q, job, "the stored message cannot be opened");
        return 0;
    }
    slot = take_slot(q, job, route, target);
    n = write_packet(q, job, &parts, slot->token, route, target);
    rc = n == 0 ? -EMSGSIZE
                : q->attempts.port->send(q->attempts.port, q->attempts.packet, n, parts.fds,
                                         parts.segments_n);
    if (rc == 0) {
        slot->pinned = malloc(parts.segments_n * sizeof(struct segment *) + 1);
        must(slot->pinned != NULL);
        for (; slot->pinned_n < parts.segments_n; slot->pinned_n++)
            segment_lend(slot->pinned[slot->pinned_n] = parts.segments[slot->pinned_n]);
        for (uint32_t i = 0; i < job->recipients_n; i++)
            m->recipients[job->recipients[i]].under_way = true;
        q_count(q, Q_ATTEMPTS, 1);
        return 0;
    }
    slot->token = 0;
    slot->job = NULL;
    slot->next_free = q->attempts.free_head;
    q->attempts.free_head = (uint32_t)(slot - q->attempts.slots);
    if (n == 0) {
        fail_here(q, job, "the message does not fit a delivery order");
        return 0;
    }
    sched_put_back(q->sched, job);
    return -EAGAIN;
}

static int run_job(struct queue *q, struct job *job)
{
    struct message *m = job->message;
    const struct recipient *first = &m->recipients[job->recipients[0]];
    struct span target;
    uint32_t route;

    if (job->generation != q->route.generation) { /* routes may have changed: cut anew */
        postpone(q, job, 0);
        return 0;
    }
    route = route_of(&q->route, first->address);
    target = route == POLICY_NONE ? span_of(NULL, 0)
                                  : route_target(&q->route, route, m->id, first->attempts);
    if (target.len == 0) {
        fail_here(q, job, "the route has no server");
        return 0;
    }
    if (target.len >= 8 && memcmp(target.ptr, "discard:", 8) == 0) {
        discard(q, job, route, target);
        return 0;
    }
    return start(q, job, route, target);
}

/* sluice-deliver has deadlines of its own; this one is for answers that never come. */
static void check_deadlines(struct queue *q)
{
    if (usec_since(q->attempts.checked, q->now) < CHECK_EVERY_US)
        return;
    q->attempts.checked = q->now;
    for (uint32_t i = 0; i < ATTEMPTS_MAX; i++) {
        struct attempt_slot *slot = &q->attempts.slots[i];
        static const struct outcome_recipient late = {
            .result = ATTEMPT_DEFERRED,
            .status = {4, 4,                                                     7},
            .text = {(const uint8_t *)"the delivery process gave no answer", 35}
        };
        struct message *m;

        if (slot->job == NULL || usec_since(slot->started, q->now) < ATTEMPT_DEADLINE_US)
            continue;
        m = slot->job->message;
        for (uint32_t r = 0; r < slot->job->recipients_n; r++)
            outcome_apply(q, m, slot->job->recipients[r], &late, span_of(NULL, 0),
                          span_str(slot->target));
        attempt_end(q, slot);
        outcome_settle(q, m);
    }
}

uint32_t attempts_turn(struct queue *q)
{
    uint32_t done = take_due(q);

    check_deadlines(q);
    q->attempts.blocked = false;
    for (uint32_t n = 0; q->attempts.port != NULL && n < TURN_ATTEMPTS; n++) {
        struct job *job = sched_pick(q->sched);

        if (job == NULL)
            break;
        if (run_job(q, job) == -EAGAIN) {
            q->attempts.blocked = true;
            break;
        }
        done++;
    }
    return done;
}

void queue_deliver_here(struct queue *q, struct queue_port *port)
{
    if (q->attempts.port != NULL)
        queue_deliver_gone(q);
    q->attempts.port = port;
}

void attempts_done(struct queue *q)
{
    for (uint32_t i = 0; i < ATTEMPTS_MAX; i++)
        if (q->attempts.slots[i].job != NULL)
            attempt_end(q, &q->attempts.slots[i]);
    free(q->attempts.packet);
}

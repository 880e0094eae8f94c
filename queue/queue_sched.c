/* queue_sched.c - heap of waits, lines by destination; see queue_sched.h. */
#include "queue_sched.h"

#include <stdlib.h>

#include "base_crc.h"
#include "base_must.h"

#define BUCKETS 1024u

struct destination {
    struct destination *chain;       /* same bucket */
    struct destination *prev, *next; /* ring of those that may start a job */
    struct job *first, *last;        /* in line */
    uint32_t active;
    bool ringed;
    size_t name_len;
    uint8_t name[];
};

struct sched {
    struct sched_wait **heap;
    uint32_t heap_n, heap_cap;
    struct destination *buckets[BUCKETS];
    struct destination *ring;     /* whose turn is next */
    struct destination *overflow; /* shared by all beyond DESTINATIONS_MAX */
    uint32_t destinations, active, ready;
    uint32_t total_max, destination_max;
};

struct sched *sched_new(uint32_t total_max, uint32_t destination_max)
{
    struct sched *s = calloc(1, sizeof(*s));

    must(s != NULL);
    s->total_max = total_max;
    s->destination_max = destination_max;
    return s;
}

static void free_line(struct destination *d)
{
    while (d->first != NULL) {
        struct job *job = d->first;

        d->first = job->next;
        free(job);
    }
    free(d);
}

struct sched *sched_free(struct sched *s)
{
    if (s == NULL)
        return NULL;
    for (unsigned i = 0; i < BUCKETS; i++)
        while (s->buckets[i] != NULL) {
            struct destination *d = s->buckets[i];

            s->buckets[i] = d->chain;
            free_line(d);
        }
    if (s->overflow != NULL)
        free_line(s->overflow);
    free(s->heap);
    free(s);
    return NULL;
}

/* Heap */

static void put(struct sched *s, uint32_t at, struct sched_wait *w)
{
    s->heap[at] = w;
    w->at = at;
}

static void sift_up(struct sched *s, uint32_t at)
{
    struct sched_wait *w = s->heap[at];

    while (at > 0 && s->heap[(at - 1) / 2]->due_us > w->due_us) {
        put(s, at, s->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(s, at, w);
}

static void sift_down(struct sched *s, uint32_t at)
{
    struct sched_wait *w = s->heap[at];

    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child >= s->heap_n)
            break;
        if (child + 1 < s->heap_n && s->heap[child + 1]->due_us < s->heap[child]->due_us)
            child++;
        if (s->heap[child]->due_us >= w->due_us)
            break;
        put(s, at, s->heap[child]);
        at = child;
    }
    put(s, at, w);
}

void sched_wait(struct sched *s, struct sched_wait *wait, struct usec due)
{
    if (wait->at != WAIT_NOT)
        sched_unwait(s, wait);
    if (s->heap_n == s->heap_cap) {
        s->heap_cap = s->heap_cap * 2 + 256;
        s->heap = realloc(s->heap, s->heap_cap * sizeof(struct sched_wait *));
        must(s->heap != NULL);
    }
    wait->due_us = due.us;
    put(s, s->heap_n++, wait);
    sift_up(s, wait->at);
}

void sched_unwait(struct sched *s, struct sched_wait *wait)
{
    uint32_t at = wait->at;

    if (at == WAIT_NOT)
        return;
    must(at < s->heap_n && s->heap[at] == wait);
    wait->at = WAIT_NOT;
    if (at == --s->heap_n)
        return;
    struct sched_wait *moved = s->heap[s->heap_n];

    put(s, at, moved);
    sift_up(s, at);
    sift_down(s, moved->at);
}

struct sched_wait *sched_due(struct sched *s, struct usec now)
{
    struct sched_wait *w = s->heap_n == 0 ? NULL : s->heap[0];

    if (w == NULL || w->due_us > now.us)
        return NULL;
    sched_unwait(s, w);
    return w;
}

bool sched_next(const struct sched *s, struct usec *ret)
{
    if (s->heap_n == 0)
        return false;
    ret->us = s->heap[0]->due_us;
    return true;
}

uint32_t sched_waiting(const struct sched *s)
{
    return s->heap_n;
}

/* Lines */

static struct destination *make(struct span name)
{
    struct destination *d = calloc(1, sizeof(*d) + name.len);

    must(d != NULL);
    d->name_len = name.len;
    if (name.len > 0)
        memcpy(d->name, name.ptr, name.len);
    return d;
}

static struct destination *find(struct sched *s, struct span name)
{
    struct destination **bucket = &s->buckets[crc32c(0, name.ptr, name.len) % BUCKETS];

    for (struct destination *d = *bucket; d != NULL; d = d->chain)
        if (span_equal(span_of(d->name, d->name_len), name))
            return d;
    if (s->destinations >= DESTINATIONS_MAX) {
        if (s->overflow == NULL)
            s->overflow = make(span_str(""));
        return s->overflow;
    }
    s->destinations++;
    struct destination *d = make(name);

    d->chain = *bucket;
    *bucket = d;
    return d;
}

/* In the ring if and only if it may start a job. */
static void ring_update(struct sched *s, struct destination *d)
{
    bool wanted = d->first != NULL && d->active < s->destination_max;

    if (wanted == d->ringed)
        return;
    d->ringed = wanted;
    if (!wanted) {
        if (s->ring == d)
            s->ring = d->next == d ? NULL : d->next;
        d->prev->next = d->next;
        d->next->prev = d->prev;
        return;
    }
    if (s->ring == NULL) {
        s->ring = d->prev = d->next = d;
        return;
    }
    d->next = s->ring;
    d->prev = s->ring->prev;
    d->prev->next = d;
    d->next->prev = d;
}

void sched_push(struct sched *s, struct span destination, struct job *job)
{
    struct destination *d = find(s, destination);

    job->destination = d;
    job->next = NULL;
    job->active = false;
    if (d->first == NULL)
        d->first = job;
    else
        d->last->next = job;
    d->last = job;
    s->ready++;
    ring_update(s, d);
}

struct job *sched_pick(struct sched *s)
{
    while (s->ring != NULL && s->active < s->total_max) {
        struct destination *d = s->ring;
        struct job *job = d->first;

        d->first = job->next;
        s->ready--;
        s->ring = d->next;
        if (job->message == NULL) {
            ring_update(s, d);
            free(job);
            continue;
        }
        d->active++;
        s->active++;
        job->active = true;
        job->next = NULL;
        ring_update(s, d);
        return job;
    }
    return NULL;
}

void sched_done(struct sched *s, struct job *job)
{
    struct destination *d = job->destination;

    must(job->active && d->active > 0 && s->active > 0);
    job->active = false;
    d->active--;
    s->active--;
    ring_update(s, d);
}

void sched_put_back(struct sched *s, struct job *job)
{
    struct destination *d = job->destination;

    sched_done(s, job);
    job->next = d->first;
    if (d->first == NULL)
        d->last = job;
    d->first = job;
    s->ready++;
    ring_update(s, d);
}

uint32_t sched_active(const struct sched *s)
{
    return s->active;
}

uint32_t sched_ready(const struct sched *s)
{
    return s->ready;
}

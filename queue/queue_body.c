/* queue_body.c - extents and segment counts of one message; see queue_body.h. */
#include "queue_body.h"

#include <stdlib.h>

#include "base_must.h"

void body_init(struct body *body, enum body_kind kind, uint64_t message, uint32_t worker)
{
    memset(body, 0, sizeof(*body));
    body->message = message;
    body->kind = kind;
    body->worker = worker;
    body->extents = &body->one;
    body->extents_cap = 1;
}

static void unlist(struct body *b)
{
    struct segment *s = b->listed;

    if (s == NULL)
        return;
    if (b->next == b) {
        s->bodies = NULL;
    } else {
        b->prev->next = b->next;
        b->next->prev = b->prev;
        if (s->bodies == b)
            s->bodies = b->next;
    }
    b->listed = NULL;
}

/* A copy on the way is not listed: the one it is copied from is. */
static void list(struct body *b, struct segment *s)
{
    if (b->listed != NULL || b->kind == BODY_COPY)
        return;
    b->listed = s;
    if (s->bodies == NULL) {
        b->prev = b->next = b;
        s->bodies = b;
        return;
    }
    b->next = s->bodies;
    b->prev = s->bodies->prev;
    b->prev->next = b;
    b->next->prev = b;
}

void body_add(struct body *body, struct extent extent)
{
    struct extent *last = body->extents_n == 0 ? NULL : &body->extents[body->extents_n - 1];

    if (extent.bytes == 0)
        return;
    body->bytes += extent.bytes;
    extent.segment->live_bytes += extent.bytes;
    *extent.segment->live_total += extent.bytes;
    if (last != NULL && last->segment == extent.segment &&
        last->offset + last->bytes == extent.offset) {
        last->bytes += extent.bytes;
        return;
    }
    if (body->extents_n == body->extents_cap) {
        uint32_t cap = body->extents_cap * 4;
        struct extent *more = malloc(cap * sizeof(*more));

        must(more != NULL);
        memcpy(more, body->extents, body->extents_n * sizeof(*more));
        if (body->extents != &body->one)
            free(body->extents);
        body->extents = more;
        body->extents_cap = cap;
    }
    body->extents[body->extents_n++] = extent;
    extent.segment->refs++;
    list(body, extent.segment);
}

void body_committed(struct body *body, struct segment *segment)
{
    must(body->commit == NULL);
    body->commit = segment;
    segment->refs++;
    list(body, segment);
}

static void release(struct body *body)
{
    for (uint32_t i = 0; i < body->extents_n; i++) {
        struct extent *e = &body->extents[i];

        must(e->segment->refs > 0 && e->segment->live_bytes >= e->bytes);
        e->segment->refs--;
        e->segment->live_bytes -= e->bytes;
        *e->segment->live_total -= e->bytes;
    }
    if (body->commit != NULL) {
        must(body->commit->refs > 0);
        body->commit->refs--;
    }
    unlist(body);
    if (body->extents != &body->one)
        free(body->extents);
    body->extents = &body->one;
    body->extents_n = 0;
    body->extents_cap = 1;
    body->commit = NULL;
    body->bytes = 0;
}

void body_forget_fresh(struct body *body)
{
    if (body->fresh == NULL)
        return;
    release(body->fresh);
    free(body->fresh);
    body->fresh = NULL;
    body->fresh_broken = false;
}

void body_drop(struct body *body)
{
    body_forget_fresh(body);
    release(body);
    body->kind = BODY_NONE;
}

void body_move(struct body *to, struct body *from, enum body_kind kind)
{
    body_forget_fresh(from);
    unlist(from);
    *to = *from;
    to->kind = kind;
    to->prev = to->next = NULL;
    if (from->extents == &from->one)
        to->extents = &to->one;
    if (body_oldest(to) != NULL)
        list(to, body_oldest(to));
    body_init(from, BODY_NONE, to->message, to->worker);
}

void body_renew(struct body *body)
{
    struct body *fresh = body->fresh;
    enum body_kind kind = body->kind;
    uint32_t worker = body->worker;
    struct segment *oldest;

    must(fresh != NULL);
    body->fresh = NULL;
    release(body);
    oldest = body_oldest(fresh);
    *body = *fresh;
    if (fresh->extents == &fresh->one)
        body->extents = &body->one;
    body->kind = kind;
    body->worker = worker;
    body->listed = NULL;
    body->prev = body->next = NULL;
    if (oldest != NULL)
        list(body, oldest);
    free(fresh);
}

void body_rotate(struct body *body)
{
    if (body->listed != NULL && body->listed->bodies == body)
        body->listed->bodies = body->next;
}

uint32_t body_segments(const struct body *body, uint64_t from)
{
    struct segment *last = NULL;
    uint64_t at = 0;
    uint32_t n = 0;

    for (uint32_t i = 0; i < body->extents_n; i++) {
        at += body->extents[i].bytes;
        if (at <= from)
            continue;
        n += body->extents[i].segment != last;
        last = body->extents[i].segment;
    }
    return n;
}

struct segment *body_oldest(const struct body *body)
{
    return body->extents_n > 0 ? body->extents[0].segment : body->commit;
}

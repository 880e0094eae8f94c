/* queue_recover.c - what the directory holds after a stop or a crash.
 *
 * Segments are read in order of birth, each up to the first record that is not whole: batches
 * are written one after the other, so nothing behind it was ever acknowledged.  DATA with its
 * COMMIT makes a message, OUTCOME changes it, DONE ends it; what was never committed is let
 * go.  Segments older than the newest TRIM say nothing, whatever they still hold.
 *
 * Files that are not ours, or that others could have written, are left alone and named. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base_must.h"
#include "queue.h"

#define WINDOW_BYTES (2u * 1024u * 1024u)
#define BUCKETS      65536u
_Static_assert(WINDOW_BYTES >= 2 * (RECORD_PAYLOAD_MAX + SEGMENT_BLOCK), "any record fits");

struct found { /* a segment file */
    uint32_t number;
    struct segment_header header;
};

struct gather { /* DATA whose COMMIT has not come yet */
    struct gather *chain;
    struct body body;
    bool broken;
};

struct recover {
    struct queue *q;
    struct recovery *ret;
    struct found *found;
    size_t found_n;
    struct gather **buckets;
    uint64_t gathered;
    uint8_t *window;
    uint64_t tail;
};

/* Gathering */

static struct gather **bucket_of(struct recover *r, uint64_t message)
{
    return &r->buckets[(message * 0x9e3779b97f4a7c15ull) >> 48];
}
_Static_assert(BUCKETS == 1u << 16, "bucket_of takes the upper 16 bits");

static struct gather *gather_find(struct recover *r, uint64_t message, uint32_t copy)
{
    struct gather *g = *bucket_of(r, message);

    while (g != NULL && (g->body.message != message || g->body.copy != copy))
        g = g->chain;
    return g;
}

static void gather_free(struct recover *r, struct gather *g)
{
    struct gather **at = bucket_of(r, g->body.message);

    while (*at != g)
        at = &(*at)->chain;
    *at = g->chain;
    body_drop(&g->body);
    free(g);
    r->gathered--;
}

static void take_data(struct recover *r, const struct record_head *h, struct extent e)
{
    struct gather *g = gather_find(r, h->message, h->copy);

    if (g != NULL && h->sequence == 0) { /* a copy that was begun a second time */
        gather_free(r, g);
        g = NULL;
    }
    if (g == NULL) {
        g = calloc(1, sizeof(*g));
        must(g != NULL);
        body_init(&g->body, BODY_PARTIAL, h->message, 0);
        g->body.copy = h->copy;
        g->chain = *bucket_of(r, h->message);
        *bucket_of(r, h->message) = g;
        r->gathered++;
    }
    if (h->sequence != g->body.records || g->body.bytes + e.bytes > MESSAGE_BYTES_MAX)
        g->broken = true;
    if (g->broken)
        return;
    body_add(&g->body, e);
    g->body.records++;
}

/* Messages */

static void forget(struct recover *r, struct message *m)
{
    index_remove(r->q->index, m);
    body_drop(&m->body);
    message_free(r->q->index, m);
}

static int read_envelope(struct recover *r, const struct body *b, uint8_t *out, uint32_t n)
{
    for (uint32_t i = 0; i < b->extents_n && n > 0; i++) {
        uint32_t part = b->extents[i].bytes < n ? b->extents[i].bytes : n;
        int rc = qlog_read(r->q->log, &b->extents[i], 0, out, part);

        if (rc < 0)
            return rc;
        out += part;
        n -= part;
    }
    return n == 0 ? 0 : -EBADMSG;
}

static void apply_states(struct recover *r, struct message *m, struct span states)
{
    struct state_entry e;
    struct span text;

    while (state_get(&states, &e, &text) == 1) {
        struct recipient *to;

        if (e.recipient >= m->recipients_n)
            continue;
        to = &m->recipients[e.recipient];
        to->attempts = e.attempts;
        to->next_us = e.next_us;
        to->code = e.code;
        memcpy(to->status, e.status, sizeof(to->status));
        message_enter(m, to, (enum recipient_state)e.state);
        message_reason(r->q->index, to, text);
    }
}

/* The message of a whole body, or NULL. */
static struct message *build(struct recover *r, const struct body *body, uint64_t id,
                             const struct commit_head *c)
{
    uint8_t *bytes = malloc(c->envelope_bytes);
    struct message *m = NULL;
    struct envelope env;
    const char *why;

    must(bytes != NULL);
    if (read_envelope(r, body, bytes, c->envelope_bytes) == 0 &&
        envelope_parse(span_of(bytes, c->envelope_bytes), &env, &why) == 0 &&
        env.header.message == id && env.header.recipients == c->recipients)
        m = message_make(r->q->index, &env);
    free(bytes);
    if (m == NULL)
        return NULL;
    m->stored_us = c->stored_us;
    m->content_bytes = c->total_bytes - c->envelope_bytes;
    m->content_crc = c->content_crc;
    m->envelope_bytes = c->envelope_bytes;
    m->state = MESSAGE_LIVE;
    return m;
}

static void take_commit(struct recover *r, const struct record_head *h, struct span payload,
                        struct extent at)
{
    struct gather *g = gather_find(r, h->message, h->copy);
    struct message *old = index_find(r->q->index, h->message), *m;
    struct span states, data;
    struct commit_head c;
    struct body body;

    if (commit_get(payload, &c, &states, &data) < 0 || (old != NULL && old->body.copy > h->copy))
        return;
    body_init(&body, BODY_COPY, h->message, 0);
    body.copy = h->copy;
    if (g != NULL && !g->broken && h->sequence == g->body.records)
        body_move(&body, &g->body, BODY_COPY);
    else if (h->sequence != 0)
        return; /* not all of it is here: the older copy, if any, still holds */
    at.offset += (uint32_t)(data.ptr - payload.ptr);
    at.bytes = (uint32_t)data.len;
    body_add(&body, at);
    m = body.bytes == c.total_bytes ? build(r, &body, h->message, &c) : NULL;
    if (m == NULL) {
        body_drop(&body);
    } else {
        if (old != NULL)
            forget(r, old);
        body_move(&m->body, &body, BODY_MESSAGE);
        body_committed(&m->body, at.segment);
        apply_states(r, m, states);
        must(index_insert(r->q->index, m));
    }
    g = gather_find(r, h->message, h->copy);
    if (g != NULL)
        gather_free(r, g);
}

static void take_record(struct recover *r, const struct record_head *h, struct span payload,
                        struct extent at)
{
    struct message *m;
    uint64_t tail;

    r->ret->records++;
    switch (h->type) {
    case RECORD_DATA:
        take_data(r, h, at);
        break;
    case RECORD_COMMIT:
        take_commit(r, h, payload, at);
        break;
    case RECORD_OUTCOME:
        m = index_find(r->q->index, h->message);
        if (m != NULL)
            apply_states(r, m, payload);
        break;
    case RECORD_DONE:
        m = index_find(r->q->index, h->message);
        if (m != NULL) {
            forget(r, m);
            r->ret->dropped++;
        }
        break;
    case RECORD_TRIM:
        if (payload.len == sizeof(tail)) {
            memcpy(&tail, payload.ptr, sizeof(tail));
            if (tail <= at.segment->birth && tail > r->tail)
                r->tail = tail;
        }
        break;
    }
}

/* Segments */

static bool zeros(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
            return false;
    return true;
}

/* Reads records until one is not whole. */
static int scan(struct recover *r, struct segment *s)
{
    struct queue_io *io = r->q->io;
    uint64_t at = SEGMENT_BLOCK, base = 0; /* file offsets: next record, start of the window */
    size_t have = 0;                       /* bytes in the window */
    char name[IO_NAME_MAX];
    int file, rc = 0;

    segment_file_name(name, SEGMENT_FILE, s->number);
    file = io->open(io, name, IO_READ);
    if (file < 0)
        return file;
    while (at < s->bytes) {
        uint64_t in = at - base;
        struct span left = in <= have ? span_of(r->window + in, have - in) : span_of(NULL, 0);
        uint32_t need = 0, gap = align_up((uint32_t)at, SEGMENT_BLOCK) - (uint32_t)at;
        struct record_head h;
        struct span payload;
        enum record_read got =
            left.ptr == NULL ? RECORD_MORE : record_read(left, s->tag, &h, &payload, &need);

        if ((got == RECORD_MORE || (got == RECORD_NONE && left.len < gap)) &&
            base + have < s->bytes && (base != at || have == 0)) {
            int64_t n = io->read(io, file, r->window, WINDOW_BYTES, at);

            if (n <= 0) {
                rc = n < 0 ? (int)n : 0;
                break;
            }
            base = at;
            have = (size_t)n;
            continue;
        }
        if (got == RECORD_WHOLE) {
            take_record(r, &h, payload,
                        (struct extent){.segment = s,
                                        .offset = (uint32_t)at + RECORD_HEAD_BYTES,
                                        .bytes = h.length});
            at += record_bytes(h.length);
        } else if (gap > 0 && left.len >= gap && zeros(left.ptr, gap)) {
            at += gap; /* the end of a batch: the next begins on a block */
        } else {
            break;
        }
    }
    s->used = (uint32_t)at;
    io->close(io, file);
    return rc;
}

/* Files */

static bool file_number(const char *name, const char *kind, uint32_t *ret)
{
    char again[IO_NAME_MAX];
    size_t n = strlen(kind);
    char *end;
    unsigned long v;

    if (strncmp(name, kind, n) != 0 || name[n] != '-')
        return false;
    v = strtoul(name + n + 1, &end, 10);
    if (v == 0 || v >= UINT32_MAX)
        return false;
    segment_file_name(again, kind, (uint32_t)v);
    *ret = (uint32_t)v;
    return strcmp(again, name) == 0;
}

static void leave_alone(struct recover *r, const char *name, const char *why)
{
    if (r->ret->foreign++ > 0)
        return;
    snprintf(r->ret->foreign_name, sizeof(r->ret->foreign_name), "%.63s", name);
    r->ret->foreign_why = why;
}

static int look_at(struct recover *r, const struct io_entry *e, uint32_t number)
{
    struct queue_io *io = r->q->io;
    struct found f = {.number = number};
    int file = io->open(io, e->name, IO_READ), rc;
    int64_t n = file < 0 ? file : io->read(io, file, r->window, SEGMENT_BLOCK, 0);

    if (file >= 0)
        io->close(io, file);
    if (n < 0)
        return (int)n;
    rc = n < SEGMENT_BLOCK ? -EBADMSG : segment_header_get(r->window, &f.header);
    if (rc == -ENOENT && e->bytes == r->q->settings.segment_bytes) {
        qlog_adopt_spare(r->q->log, number);
    } else if (rc == -ENOENT) { /* prepared under another limit */
        (void)io->unlink(io, e->name);
    } else if (rc < 0 || f.header.segment_bytes > e->bytes) {
        r->ret->damaged++;
        leave_alone(r, e->name, "its header is damaged");
        qlog_skip_number(r->q->log, number);
    } else {
        r->found[r->found_n++] = f;
    }
    return 0;
}

static int by_birth(const void *a, const void *b)
{
    uint64_t x = ((const struct found *)a)->header.birth;
    uint64_t y = ((const struct found *)b)->header.birth;

    return x < y ? -1 : x > y;
}

static int list_files(struct recover *r)
{
    struct queue_io *io = r->q->io;
    struct io_entry *entries = NULL;
    size_t n = 0;
    uint32_t number;
    int rc = io->list(io, &entries, &n);

    if (rc < 0)
        return rc;
    r->found = calloc(n + 1, sizeof(*r->found));
    must(r->found != NULL);
    for (size_t i = 0; i < n && rc == 0; i++) {
        const struct io_entry *e = &entries[i];

        if (strcmp(e->name, "lock") == 0)
            continue;
        if (file_number(e->name, FILL_FILE, &number) && e->bad == NULL)
            (void)io->unlink(io, e->name); /* it was being prepared */
        else if (!file_number(e->name, SEGMENT_FILE, &number))
            leave_alone(r, e->name, e->bad != NULL ? e->bad : "it is not the queue's");
        else if (e->bad == NULL)
            rc = look_at(r, e, number);
        else {
            leave_alone(r, e->name, e->bad);
            qlog_skip_number(r->q->log, number);
        }
    }
    free(entries);
    qsort(r->found, r->found_n, sizeof(*r->found), by_birth);
    return rc;
}

static void finish(struct recover *r)
{
    struct queue *q = r->q;
    struct message *next;

    for (uint32_t i = 0; i < BUCKETS; i++)
        while (r->buckets[i] != NULL) {
            gather_free(r, r->buckets[i]);
            r->ret->incomplete++;
        }
    for (struct message *m = index_after(q->index, 0); m != NULL; m = next) {
        const struct segment *oldest = body_oldest(&m->body);

        next = index_after(q->index, m->id);
        /* What a trimmed segment holds was over before it was trimmed. */
        if (message_finished(m) || (oldest != NULL && oldest->birth < r->tail)) {
            forget(r, m);
            r->ret->dropped++;
        }
    }
    qlog_recovered(q->log, r->tail);
    for (struct message *m = index_after(q->index, 0); m != NULL; m = index_after(q->index, m->id))
        queue_schedule(q, m);
    r->ret->messages = index_count(q->index);
}

int queue_recover(struct queue *q, struct recovery *ret, const char **ret_why)
{
    struct recover r = {.q = q, .ret = ret};
    int rc;

    memset(ret, 0, sizeof(*ret));
    r.buckets = calloc(BUCKETS, sizeof(struct gather *));
    r.window = malloc(WINDOW_BYTES);
    must(r.buckets != NULL && r.window != NULL);
    *ret_why = "the queue directory cannot be read";
    rc = list_files(&r);
    for (size_t i = 0; i < r.found_n && rc == 0; i++) {
        struct found *f = &r.found[i];

        if (i > 0 && r.found[i - 1].header.birth == f->header.birth) {
            *ret_why = "two segment files claim the same place in the log; move the copy away";
            rc = -EEXIST;
            break;
        }
        if (f->header.tail > r.tail)
            r.tail = f->header.tail;
        rc = scan(&r, qlog_adopt(q->log, f->number, &f->header, 0));
    }
    if (rc == 0) {
        struct qlog_figures figures;

        finish(&r);
        qlog_figures(q->log, &figures);
        ret->segments = (uint32_t)figures.segments;
        ret->spares = (uint32_t)figures.spares;
    } else {
        for (uint32_t i = 0; i < BUCKETS; i++)
            while (r.buckets[i] != NULL)
                gather_free(&r, r.buckets[i]);
    }
    free(r.found);
    free(r.window);
    free(r.buckets);
    return rc;
}

/* smtp_drive.c - a caller of the SMTP machine for tests (contract: smtp_drive.h). */
#include "smtp_drive.h"

#include <stdlib.h>

#include "base_guard.h"
#include "base_must.h"
#include "ipc_envelope.h"

void drive_init(struct drive *d)
{
    size_t bytes = pool_bytes(DRIVE_BLOCKS, SMTP_BLOCK_BYTES);

    fake_policy_reset();
    memset(d, 0, sizeof(*d));
    d->block_memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    pool_init(&d->blocks, d->block_memory, DRIVE_BLOCKS, SMTP_BLOCK_BYTES);
    d->out_cap = 4096;
    d->out = malloc(d->out_cap);
    d->said = calloc(1, DRIVE_SAID_MAX + 1);
    d->chunk_bytes = 1024;
    d->chunk = malloc(DRIVE_CHUNK_MAX);
    d->chunks_left = UINT32_MAX;
    d->log = (struct smtp_log){.events = d->events, .cap = DRIVE_EVENTS};
    d->peer = (struct smtp_peer){.client = ip_from_v4(0x0a190001),
                                 .local = ip_from_v4(0x0a190019),
                                 .client_port = 40000,
                                 .local_port = 25,
                                 .session = 0x1234567};
    d->turn = (struct smtp_turn){.policy = &d->policy,
                                 .now = {.us = 1000000},
                                 .wall_us = 1763855940000000ull, /* Sat, 22 Nov 2025 23:59:00 */
                                 .last_id = &d->last_id,
                                 .worker = 1,
                                 .blocks = &d->blocks,
                                 .counters = d->counters,
                                 .log = &d->log};
}

/* One call's worth of output, and what of it is kept. */
static void out_begin(struct drive *d, struct smtp_out *out)
{
    *out = (struct smtp_out){.ptr = d->out, .cap = d->out_cap};
    d->turn.out = out;
}

static void out_end(struct drive *d, const struct smtp_out *out)
{
    must(out->len <= out->cap);
    if (d->said_len + out->len > DRIVE_SAID_MAX)
        d->said_len = 0; /* a flood of replies: the last ones will do */
    memcpy(d->said + d->said_len, out->ptr, out->len);
    d->said_len += out->len;
    d->said[d->said_len] = '\0';
    d->turn.out = NULL;
}

static void stream_add(struct drive *d)
{
    uint32_t used = smtp_take_chunk(&d->smtp);

    d->lent = false;
    while (d->stream_len + used > d->stream_cap) {
        d->stream_cap = d->stream_cap == 0 ? 65536 : 2 * d->stream_cap;
        d->stream = realloc(d->stream, d->stream_cap);
    }
    if (used > 0)
        memcpy(d->stream + d->stream_len, d->chunk, used);
    d->stream_len += used;
    memset(d->chunk, 0xdd, DRIVE_CHUNK_MAX); /* the machine may not count on what was there */
}

static void store(struct drive *d, enum smtp_commit result)
{
    struct smtp_message m = smtp_message(&d->smtp);

    if (result == SMTP_STORED && d->stored_count < DRIVE_STORED_MAX) {
        struct stored *slot = &d->stored[d->stored_count];

        must(m.total_bytes == d->stream_len && m.envelope_bytes <= ENVELOPE_BYTES_MAX);
        slot->message = m;
        slot->bytes = malloc(d->stream_len);
        memcpy(slot->bytes, d->stream, d->stream_len);
        d->stored_count++;
    }
    d->stream_len = 0;
}

static void act(struct drive *d, enum smtp_want want);

void drive_committed(struct drive *d, enum smtp_commit result)
{
    struct smtp_out out;
    enum smtp_want want;

    if (smtp_suspended(&d->smtp))
        store(d, result);
    out_begin(d, &out);
    want = smtp_committed(&d->smtp, &d->turn, result);
    out_end(d, &out);
    act(d, want);
}

static void give_chunk(struct drive *d)
{
    struct smtp_out out;

    must(!d->lent);
    if (d->chunks_left > 0) {
        d->chunks_left--;
        d->lent = true;
        smtp_chunk(&d->smtp, d->chunk, d->chunk_bytes);
        return;
    }
    out_begin(d, &out);
    smtp_no_chunk(&d->smtp, &d->turn);
    out_end(d, &out);
}

static void act(struct drive *d, enum smtp_want want)
{
    d->want = want;
    switch (want) {
    case SMTP_WANT_INPUT:
    case SMTP_WANT_ROOM:
        break;
    case SMTP_WANT_CHUNK:
        must(smtp_mid_message(&d->smtp));
        give_chunk(d);
        break;
    case SMTP_WANT_FLUSH:
        must(d->lent);
        stream_add(d);
        break;
    case SMTP_WANT_COMMIT:
        must(smtp_suspended(&d->smtp));
        d->commits++;
        stream_add(d);
        if (!d->hold)
            drive_committed(d, d->result);
        break;
    case SMTP_WANT_ABORT:
        must(!smtp_mid_message(&d->smtp));
        d->aborts++;
        stream_add(d);
        d->stream_len = 0;
        break;
    case SMTP_WANT_CLOSE:
        d->closed = true;
        break;
    }
}

struct span drive_feed(struct drive *d, struct span in, bool more)
{
    unsigned idle = 0;

    while (!d->closed && !smtp_suspended(&d->smtp)) {
        struct smtp_out out;
        enum smtp_want want;
        size_t before = in.len, stored = d->stream_len;

        out_begin(d, &out);
        d->turn.more_input = more;
        want = smtp_input(&d->smtp, &d->turn, &in);
        out_end(d, &out);
        act(d, want);
        if (want == SMTP_WANT_INPUT) {
            must(in.len == 0 && !smtp_pending(&d->smtp));
            break;
        }
        /* It gets somewhere: bytes taken, a reply, content written. */
        idle = in.len == before && out.len == 0 && d->stream_len == stored ? idle + 1 : 0;
        must(idle < 8);
    }
    return in;
}

void drive_open(struct drive *d)
{
    struct smtp_out out;
    enum smtp_want want;

    out_begin(d, &out);
    want = smtp_open(&d->smtp, &d->turn, &d->peer);
    out_end(d, &out);
    act(d, want);
}

void drive_done(struct drive *d)
{
    struct smtp_out none = {.ptr = d->out, .cap = 0};

    d->turn.out = &none;
    smtp_done(&d->smtp, &d->turn, SMTP_END_CLIENT_CLOSED, 11, 22);
    must(d->blocks.used == 0);
    must(none.len == 0);
    for (unsigned i = 0; i < d->stored_count; i++)
        free(d->stored[i].bytes);
    free(d->stream);
    free(d->chunk);
    free(d->said);
    free(d->out);
    free(d->block_memory);
}

/* A copy that faults when it is over-read. */
static void feed_guarded(struct drive *d, struct span part, bool more)
{
    struct guard g;

    if (d->closed || part.len == 0)
        return;
    g = guard_new(part.ptr, part.len);
    drive_feed(d, span_of(g.ptr, part.len), more);
    guard_free(&g);
}

void drive_script(struct drive *d, struct span script, size_t cut, size_t step)
{
    size_t at = 0; /* offset in the stream, separators not counted */

    while (script.len > 0) {
        const uint8_t *end = memchr(script.ptr, '~', script.len);
        struct span group =
            span_of(script.ptr, end == NULL ? script.len : (size_t)(end - script.ptr));

        script = span_skip(script, end == NULL ? group.len : group.len + 1);
        if (step > 0) {
            for (size_t i = 0; i < group.len; i += step) {
                size_t n = group.len - i < step ? group.len - i : step;

                feed_guarded(d, span_of(group.ptr + i, n), i + n < group.len);
            }
        } else if (cut > at && cut < at + group.len) {
            feed_guarded(d, span_of(group.ptr, cut - at), true);
            feed_guarded(d, span_skip(group, cut - at), false);
        } else {
            feed_guarded(d, group, false);
        }
        at += group.len;
    }
}

const char *drive_codes(const struct drive *d)
{
    static char codes[65536];
    size_t n = 0;
    const char *line = d->said;

    while (*line != '\0' && n + 16 < sizeof(codes)) {
        const char *end = strstr(line, "\r\n");

        must(end != NULL && end - line >= 3 && end - line + 2 <= (long)SMTP_REPLY_BYTES_MAX);
        must(memchr(line, '\n', (size_t)(end - line)) == NULL);
        must(line[3] == ' ' || line[3] == '-');
        if (line[3] == ' ') {
            bool status = end - line > 9 && line[5] == '.' && line[7] == '.' && line[9] == ' ';

            memcpy(codes + n, line, status ? 9 : 3);
            n += status ? 9 : 3;
            codes[n++] = '|';
        }
        line = end + 2;
    }
    codes[n] = '\0';
    return codes;
}

struct span drive_content(const struct drive *d, unsigned index)
{
    const struct stored *m = &d->stored[index];
    struct span rest;

    must(index < d->stored_count);
    rest = span_of(m->bytes + m->message.envelope_bytes,
                   m->message.total_bytes - m->message.envelope_bytes);
    must(rest.len > 10 && memcmp(rest.ptr, "Received: ", 10) == 0);
    /* Our header ends at the first line that does not begin with a tab. */
    for (;;) {
        const uint8_t *end = memmem(rest.ptr, rest.len, "\r\n", 2);

        must(end != NULL);
        rest = span_skip(rest, (size_t)(end - rest.ptr) + 2);
        if (rest.len == 0 || rest.ptr[0] != '\t')
            return rest;
    }
}

uint64_t drive_count(const struct drive *d, enum smtp_counter counter)
{
    return count_get(&d->counters[counter]);
}

/* smtp_content.c - content bytes to chunks: what DATA and BDAT share.
 *
 * Everything is written straight into the lent chunk, once.  A message that is refused on the
 * way is still read, so that the session stays in step, but written nowhere.
 */
#include "base_must.h"
#include "smtp_line.h"
#include "smtp_session.h"

static enum smtp_counter refusal_counter(enum smtp_reply id)
{
    switch (id) {
    case REPLY_TOO_BIG:
        return SMTP_COUNT_MESSAGE_TOO_BIG;
    case REPLY_LOOP:
        return SMTP_COUNT_MESSAGE_LOOP;
    case REPLY_NUL:
        return SMTP_COUNT_MESSAGE_NUL;
    case REPLY_BARE_NEWLINE:
        return SMTP_COUNT_MESSAGE_BARE_NEWLINE;
    case REPLY_NO_MEMORY:
        return SMTP_COUNT_MESSAGE_NO_MEMORY;
    case REPLY_STORE_FULL:
        return SMTP_COUNT_MESSAGE_STORE_FULL;
    case REPLY_STORE_TIMEOUT:
        return SMTP_COUNT_MESSAGE_STORE_TIMEOUT;
    default:
        return SMTP_COUNT_MESSAGE_STORE_FAILED;
    }
}

void content_refuse(struct smtp *s, struct smtp_turn *turn, enum smtp_reply id)
{
    if (s->verdict != REPLY_NONE)
        return;
    s->verdict = (uint8_t)id;
    count_one(&turn->counters[refusal_counter(id)]);
    smtp_log_refused(s, turn, id, NO_ADDRESS, NO_ADDRESS);
    if (s->started)
        s->owed = SMTP_WANT_ABORT;
    s->started = false;
}

bool content_room(struct smtp *s, uint32_t n)
{
    if (s->verdict != REPLY_NONE)
        return true;
    if (s->chunk == NULL) {
        s->owed = SMTP_WANT_CHUNK;
        return false;
    }
    if (s->chunk_bytes - s->chunk_used < n) {
        s->owed = SMTP_WANT_FLUSH;
        return false;
    }
    return true;
}

/* The caller has seen to the room. */
static void chunk_put(struct smtp *s, const uint8_t *bytes, size_t n)
{
    memcpy(s->chunk + s->chunk_used, bytes, n);
    s->chunk_used += (uint32_t)n;
}

bool content_envelope(struct smtp *s, struct smtp_turn *turn)
{
    while (s->verdict == REPLY_NONE) {
        struct span part = chain_peek(turn->blocks, &s->envelope, &s->written);
        uint32_t n;

        if (part.len == 0)
            return true;
        if (!content_room(s, 1))
            return false;
        n = s->chunk_bytes - s->chunk_used;
        if (n > part.len)
            n = (uint32_t)part.len;
        chunk_put(s, part.ptr, n);
        chain_skip(turn->blocks, &s->written, n);
    }
    return true;
}

/* RFC 5321 s6.3: Received: lines count the hops.  Only the header is looked at. */
static void header_look(struct smtp *s, struct smtp_turn *turn, struct span run)
{
    static const char name[] = "received:";

    for (size_t i = 0; i < run.len && s->header_match < sizeof(name) - 1; i++) {
        uint8_t c = run.ptr[i];

        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c - 'A' + 'a');
        if (c != (uint8_t)name[s->header_match])
            s->header_match = HEADER_NO_MATCH;
        else if (++s->header_match == sizeof(name) - 1) {
            s->header_match = HEADER_NO_MATCH;
            if (++s->hops >= s->limits.received_hops && s->limits.received_hops > 0)
                content_refuse(s, turn, REPLY_LOOP);
        }
    }
}

/* Size as RFC 1870 s4 counts it: without the stuffed dots and the final one. */
static void content_grow(struct smtp *s, struct smtp_turn *turn, size_t n)
{
    s->content_bytes += n;
    if (s->limits.message_bytes > 0 && s->content_bytes > s->limits.message_bytes)
        content_refuse(s, turn, REPLY_TOO_BIG);
}

static bool put_newline(struct smtp *s)
{
    if (!content_room(s, SMTP_STEP_BYTES_MAX))
        return false;
    if (s->verdict != REPLY_NONE)
        return true;
    chunk_put(s, (const uint8_t *)"\r\n", 2);
    if (s->line_empty)
        s->in_header = false;
    s->line_empty = true;
    s->header_match = 0;
    return true;
}

bool content_newline(struct smtp *s, struct smtp_turn *turn)
{
    if (!put_newline(s))
        return false;
    if (s->verdict == REPLY_NONE)
        content_grow(s, turn, 2);
    return true;
}

bool content_last_newline(struct smtp *s)
{
    if (s->line_empty)
        return true;
    if (!put_newline(s))
        return false;
    s->content_bytes += 2; /* ours, not the client's: no matter for its limit */
    return true;
}

/* Writes as much of a run without CR, LF and NUL as the chunk takes. */
static bool content_run(struct smtp *s, struct smtp_turn *turn, struct span *in, size_t n)
{
    if (!content_room(s, 1))
        return false;
    if (s->verdict == REPLY_NONE) {
        if (n > s->chunk_bytes - s->chunk_used)
            n = s->chunk_bytes - s->chunk_used;
        chunk_put(s, in->ptr, n);
        s->line_empty = false;
        if (s->in_header)
            header_look(s, turn, span_of(in->ptr, n));
        content_grow(s, turn, n);
    }
    *in = span_skip(*in, n);
    return s->owed == SMTP_WANT_INPUT;
}

bool content_bare(struct smtp *s, struct smtp_turn *turn)
{
    /* Room first: what is counted must not be met again. */
    if (s->bare != BARE_REFUSE && !content_room(s, SMTP_STEP_BYTES_MAX))
        return false;
    if (smtp_bare_refused(s, turn)) {
        if (s->verdict == REPLY_NONE) {
            count_one(&turn->counters[SMTP_COUNT_MESSAGE_BARE_NEWLINE]);
            smtp_log_refused(s, turn, REPLY_BARE_NEWLINE, NO_ADDRESS, NO_ADDRESS);
        }
        smtp_close(s, turn, REPLY_BARE_NEWLINE, SMTP_END_REFUSED);
        return false;
    }
    return content_newline(s, turn);
}

bool content_text(struct smtp *s, struct smtp_turn *turn, struct span *in)
{
    while (in->len > 0) {
        size_t n = s->at == AT_TEXT ? smtp_clean_run(*in) : 0;

        if (n > 0) {
            if (!content_run(s, turn, in, n))
                return false;
            continue;
        }
        if (s->at == AT_CR && in->ptr[0] == '\n') { /* CR LF */
            if (!content_newline(s, turn))
                return false;
            *in = span_skip(*in, 1);
            s->at = AT_LINE_START;
            return s->owed == SMTP_WANT_INPUT;
        }
        if (s->at == AT_CR) { /* CR x: x is looked at again */
            if (!content_bare(s, turn))
                return false;
            s->at = AT_TEXT;
        } else if (in->ptr[0] == '\n') { /* x LF: a line end, but no start for dots */
            if (!content_bare(s, turn))
                return false;
            *in = span_skip(*in, 1);
        } else if (in->ptr[0] == '\r') {
            s->at = AT_CR;
            *in = span_skip(*in, 1);
        } else { /* NUL */
            content_refuse(s, turn, REPLY_NUL);
            *in = span_skip(*in, 1);
        }
        if (s->owed != SMTP_WANT_INPUT)
            return false;
    }
    return false;
}

void content_end(struct smtp *s, struct smtp_turn *turn)
{
    s->body = BODY_NONE;
    if (s->verdict == REPLY_NONE) {
        must(s->started);
        if (s->declared_bytes > 0 && s->content_bytes > s->declared_bytes)
            count_one(&turn->counters[SMTP_COUNT_SIZE_UNDERSTATED]);
        smtp_enter(s, S_COMMIT);
        s->owed = SMTP_WANT_COMMIT;
        return;
    }
    smtp_reply(s, turn, (enum smtp_reply)s->verdict);
    smtp_reset(s, turn);
}

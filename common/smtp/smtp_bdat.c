/* smtp_bdat.c - BDAT (RFC 3030 s2): content by counted chunks, no dots, no end mark.
 *
 * A chunk that is refused is still read to its end, or its octets would be taken for commands.
 * Where its length cannot be known the session ends instead.
 */
#include <errno.h>

#include "base_text.h"
#include "smtp_path.h"
#include "smtp_session.h"

/* "octets [LAST]" */
static bool bdat_parse(struct span args, uint64_t *ret_octets, bool *ret_last)
{
    size_t n = 0;
    struct span rest;

    while (n < args.len && args.ptr[n] != ' ' && args.ptr[n] != '\t')
        n++;
    rest = text_trim_left(span_skip(args, n));
    *ret_last = rest.len > 0;
    return text_parse_u64(span_of(args.ptr, n), UINT64_MAX, ret_octets) == 0 &&
           (rest.len == 0 || text_is(rest, "LAST"));
}

/* Why this chunk cannot be content; REPLY_NONE: it can. */
static enum smtp_reply bdat_sequence(const struct smtp *s)
{
    if (s->state == S_BDAT || s->recipients > 0)
        return REPLY_NONE;
    if (s->state == S_GREETED)
        return REPLY_HELLO_FIRST;
    if (s->state == S_READY)
        return REPLY_MAIL_FIRST;
    return s->rcpt_tried ? REPLY_NO_RECIPIENTS : REPLY_RCPT_FIRST;
}

void verb_bdat(struct smtp *s, struct smtp_turn *turn, struct span args)
{
    enum smtp_reply wrong = bdat_sequence(s);
    uint64_t octets = 0, limit = s->limits.message_bytes;
    bool last = false;

    if (!bdat_parse(args, &octets, &last)) {
        count_one(&turn->counters[SMTP_COUNT_BAD_COMMANDS]);
        smtp_close(s, turn, REPLY_BDAT_SYNTAX, SMTP_END_REFUSED);
        return;
    }
    s->body = BODY_BDAT;
    s->bdat_left = octets;
    s->bdat_last = last;
    smtp_due_in(s, turn, s->limits.data_us);
    if (wrong != REPLY_NONE) {
        s->verdict = (uint8_t)wrong;
        return;
    }
    if (s->state == S_RCPT) {
        bool begun = smtp_begin_message(s, turn);

        smtp_enter(s, S_BDAT);
        if (!begun)
            content_refuse(s, turn, REPLY_NO_MEMORY);
        else if (turn->queue_gone)
            content_refuse(s, turn, REPLY_QUEUE_GONE);
    }
    if (limit > 0 && (octets > limit || s->content_bytes > limit - octets))
        content_refuse(s, turn, REPLY_TOO_BIG);
}

/* The chunk of a BDAT that had no transaction: answered, nothing changed. */
static void bdat_outside(struct smtp *s, struct smtp_turn *turn)
{
    enum smtp_reply id = (enum smtp_reply)s->verdict;

    s->verdict = REPLY_NONE;
    if (id == REPLY_NO_RECIPIENTS) /* pipelined behind recipients that were all refused */
        smtp_reply(s, turn, id);
    else
        smtp_junk(s, turn, id);
}

/* Closes the last line, so that the stored form is the same however the message came.  False
 * where it must wait. */
static bool bdat_finish(struct smtp *s, struct smtp_turn *turn)
{
    if (s->verdict == REPLY_NONE && s->at == AT_CR) {
        if (!content_bare(s, turn))
            return false;
        s->at = AT_TEXT;
    }
    if (s->verdict == REPLY_NONE && !content_last_newline(s))
        return false;
    if (s->owed != SMTP_WANT_INPUT)
        return false; /* the last line end was one too many */
    content_end(s, turn);
    return true;
}

static bool bdat_chunk_end(struct smtp *s, struct smtp_turn *turn)
{
    char digits[TEXT_U64_MAX];

    if (s->state != S_BDAT) {
        s->body = BODY_NONE;
        bdat_outside(s, turn);
        return true;
    }
    if (s->bdat_last)
        return bdat_finish(s, turn);
    s->body = BODY_NONE;
    if (s->verdict != REPLY_NONE)
        smtp_reply(s, turn, (enum smtp_reply)s->verdict);
    else
        smtp_reply_with(s, turn, REPLY_OCTETS, span_of(digits, text_u64(digits, s->content_bytes)));
    return true;
}

bool smtp_bdat_step(struct smtp *s, struct smtp_turn *turn, struct span *in)
{
    struct span part = *in;
    bool go_on = false;

    if (s->verdict == REPLY_NONE && !content_envelope(s, turn))
        return false;
    if (s->bdat_left == 0)
        return bdat_chunk_end(s, turn);
    if (in->len == 0)
        return false;
    if (part.len > s->bdat_left)
        part.len = (size_t)s->bdat_left;
    if (s->verdict != REPLY_NONE) {
        part = span_skip(part, part.len);
        go_on = true;
    } else {
        size_t before = part.len;

        if (s->at == AT_LINE_START)
            s->at = AT_TEXT; /* dots mean nothing here */
        go_on = content_text(s, turn, &part);
        /* All of this chunk's text taken and nothing owed: its end is next. */
        if (part.len == 0 && before > 0 && s->owed == SMTP_WANT_INPUT && s->state != S_CLOSED)
            go_on = true;
    }
    s->bdat_left -= (uint64_t)(part.ptr - in->ptr);
    *in = span_skip(*in, (size_t)(part.ptr - in->ptr));
    return go_on;
}

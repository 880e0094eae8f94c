/* smtp_body.c - DATA (RFC 5321 s4.1.1.4, s4.5.2): content up to CRLF . CRLF, dots unstuffed once.
 *
 * The end is CRLF . CRLF and nothing else, whatever bare_newline says: a bare CR or LF never
 * begins a line as far as dots are concerned, so LF.LF, LF.CRLF, CRLF.LF, CR.CR and the like
 * are text (or the end of the session).
 */
#include "smtp_session.h"

/* DATA is refused before any content: the transaction is over, commands go on. */
static void data_refuse(struct smtp *s, struct smtp_turn *turn, enum smtp_reply id)
{
    smtp_log_refused(s, turn, id, NO_ADDRESS, NO_ADDRESS);
    smtp_reply(s, turn, id);
    smtp_reset(s, turn);
}

void verb_data(struct smtp *s, struct smtp_turn *turn, struct span args)
{
    (void)args;
    if (s->recipients == 0) {
        /* RFC 2920 s3.1 wants 554 where all were refused. */
        if (s->rcpt_tried)
            smtp_reply(s, turn, REPLY_NO_RECIPIENTS);
        else
            smtp_junk(s, turn, REPLY_RCPT_FIRST);
        return;
    }
    if (turn->queue_gone) {
        data_refuse(s, turn, REPLY_QUEUE_GONE);
        return;
    }
    if (!smtp_begin_message(s, turn)) {
        data_refuse(s, turn, REPLY_NO_MEMORY);
        return;
    }
    smtp_enter(s, S_DATA);
    s->body = BODY_ASK;
    s->owed = SMTP_WANT_CHUNK;
}

void smtp_data_pipelined(struct smtp *s, struct smtp_turn *turn)
{
    count_one(&turn->counters[SMTP_COUNT_PIPELINED_DATA]);
    smtp_log_refused(s, turn, REPLY_PIPELINED, NO_ADDRESS, NO_ADDRESS);
    smtp_close(s, turn, REPLY_PIPELINED, SMTP_END_REFUSED);
}

bool smtp_ask_step(struct smtp *s, struct smtp_turn *turn, struct span *in)
{
    if (s->verdict != REPLY_NONE) { /* no chunk */
        enum smtp_reply id = (enum smtp_reply)s->verdict;

        s->body = BODY_NONE;
        s->started = false; /* nothing was lent */
        smtp_reply(s, turn, id);
        smtp_reset(s, turn);
        return true;
    }
    if (s->chunk == NULL) { /* none was given yet */
        s->owed = SMTP_WANT_CHUNK;
        return false;
    }
    /* What is here already was sent before our 354: content that could as well be commands
     * (CVE-2011-0411 class), RFC 2920 s3.1. */
    if (in->len > 0 || turn->more_input) {
        smtp_data_pipelined(s, turn);
        return true;
    }
    smtp_reply(s, turn, REPLY_GO_AHEAD);
    s->body = BODY_DATA;
    smtp_due_in(s, turn, s->limits.data_us);
    return true;
}

bool smtp_data_step(struct smtp *s, struct smtp_turn *turn, struct span *in)
{
    uint8_t c;

    if (!content_envelope(s, turn))
        return false;
    if (in->len == 0)
        return false;
    c = in->ptr[0];
    switch ((enum smtp_at)s->at) {
    case AT_LINE_START: /* CRLF */
        s->at = c == '.' ? AT_DOT : AT_TEXT;
        if (c == '.')
            *in = span_skip(*in, 1);
        return true;
    case AT_DOT: /* CRLF .  - the dot goes, whatever follows but CRLF */
        s->at = c == '\r' ? AT_DOT_CR : AT_TEXT;
        if (c == '\r')
            *in = span_skip(*in, 1);
        return true;
    case AT_DOT_CR: /* CRLF . CR */
        if (c == '\n') {
            *in = span_skip(*in, 1);
            content_end(s, turn);
            return true;
        }
        if (!content_bare(s, turn))
            return false;
        s->at = AT_TEXT;
        return true;
    case AT_TEXT:
    case AT_CR:
        break;
    }
    return content_text(s, turn, in);
}

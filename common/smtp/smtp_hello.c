/* smtp_hello.c - EHLO and HELO (RFC 5321 s4.1.1.1): who the client says it is, what we announce.
 *
 * The name is taken as it comes: underscores, bare words and bracketed addresses are what real
 * clients send, and the name is never believed (RFC 5321 s4.1.4).  Bytes beyond ASCII become
 * '?', so that it can stand in a header and in a log.
 */
#include "base_text.h"
#include "smtp_path.h"
#include "smtp_session.h"

size_t smtp_helo_name(const struct smtp *s, const struct smtp_turn *turn,
                      uint8_t out[SMTP_HELO_BYTES_MAX])
{
    chain_read(turn->blocks, &s->helo, 0, out, s->helo.bytes);
    return s->helo.bytes;
}

/* Takes the name over and starts afresh (RFC 5321 s4.1.4: EHLO is a RSET too); false where it
 * was answered already. */
static bool hello(struct smtp *s, struct smtp_turn *turn, struct span args)
{
    uint8_t name[SMTP_HELO_BYTES_MAX];
    size_t n = 0;

    while (n < args.len && args.ptr[n] != ' ' && args.ptr[n] != '\t')
        n++;
    if (n == 0 || n > sizeof(name)) {
        smtp_junk(s, turn, REPLY_HELLO_SYNTAX);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        name[i] = args.ptr[i] < 0x80 ? args.ptr[i] : '?';
    chain_free(turn->blocks, &s->helo);
    if (!chain_put(turn->blocks, &s->helo, span_of(name, n))) {
        count_one(&turn->counters[SMTP_COUNT_NO_BLOCKS]);
        smtp_close(s, turn, REPLY_SHORTAGE, SMTP_END_ERROR);
        return false;
    }
    smtp_reset(s, turn);
    return true;
}

void verb_helo(struct smtp *s, struct smtp_turn *turn, struct span args)
{
    if (!hello(s, turn, args))
        return;
    s->esmtp = false;
    smtp_reply_with(s, turn, REPLY_HELLO, smtp_server(s, turn).hostname);
}

static void announce(struct smtp_turn *turn, const char *keyword, uint64_t number)
{
    char digits[TEXT_U64_MAX];

    reply_raw(turn, span_str("250-"));
    reply_raw(turn, span_str(keyword));
    reply_raw(turn, span_of(digits, text_u64(digits, number)));
    reply_raw(turn, span_str("\r\n"));
}

void verb_ehlo(struct smtp *s, struct smtp_turn *turn, struct span args)
{
    if (!hello(s, turn, args))
        return;
    s->esmtp = true;
    /* The names here are at most 255 octets, the rest is constant: SMTP_OUT_MIN holds it. */
    reply_raw(turn, span_str("250-"));
    reply_raw(turn, smtp_server(s, turn).hostname);
    reply_raw(turn, span_str("\r\n250-PIPELINING\r\n"));
    announce(turn, "SIZE ", s->limits.message_bytes);
    reply_raw(turn, span_str("250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n"
                             "250-CHUNKING\r\n"));
    announce(turn, "LIMITS RCPTMAX=", s->limits.recipients);
    smtp_reply_with(s, turn, REPLY_HELLO, span_str("HELP"));
}

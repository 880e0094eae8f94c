/* deliver_smtp.c - see deliver_smtp.h */
#include "deliver_smtp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base_must.h"
#include "ipc_envelope.h"

#define SECOND      1000000ull
#define COMMAND_MAX 1024u /* MAIL FROM:<320> SIZE= BODY= SMTPUTF8, with room */

const struct client_timeouts client_timeouts_rfc5321 = {
    .connect = 30 * SECOND,
    .greeting = 300 * SECOND,
    .hello = 300 * SECOND,
    .mail = 300 * SECOND,
    .rcpt = 300 * SECOND,
    .data = 120 * SECOND,
    .block = 180 * SECOND,
    .dot = 600 * SECOND,
    .quit = 2 * SECOND,
    .total = 3600 * SECOND,
};

static void state_enter(struct client *c, enum client_state state, struct usec now, uint64_t wait)
{
    c->state = state;
    c->due = usec_add(now, wait);
}

void client_start(struct client *c, const struct client_job *job, struct usec now)
{
    memset(c, 0, offsetof(struct client, out));
    reply_init(&c->reply);
    c->job = job;
    c->total_due = usec_add(now, job->timeouts->total);
    state_enter(c, CLIENT_CONNECT, now, job->timeouts->connect);
}

void client_connected(struct client *c, struct usec now)
{
    if (c->state == CLIENT_CONNECT)
        state_enter(c, CLIENT_GREETING, now, c->job->timeouts->greeting);
}

const char *client_waits_for(const struct client *c)
{
    static const char *const what[] = {
        [CLIENT_CONNECT] = "the connection",
        [CLIENT_GREETING] = "the greeting",
        [CLIENT_EHLO] = "the reply to EHLO",
        [CLIENT_HELO] = "the reply to HELO",
        [CLIENT_ENVELOPE] = "the reply to RCPT",
        [CLIENT_DATA] = "the reply to DATA",
        [CLIENT_BODY] = "the message to be taken",
        [CLIENT_DOT] = "the reply to the end of the message",
        [CLIENT_QUIT] = "the reply to QUIT",
        [CLIENT_CLOSED] = "nothing",
    };

    if (c->state == CLIENT_ENVELOPE && c->replies == 0)
        return "the reply to MAIL";
    return what[c->state];
}

void client_lost(struct client *c, uint32_t status, const char *text)
{
    char words[256];

    snprintf(words, sizeof(words), "%s: %s", c->job->server, text);
    verdicts_give(c->job->verdicts, ATTEMPT_DEFERRED, status, words);
    c->state = CLIENT_CLOSED;
    c->out_bytes = 0;
}

/* ---- output ---- */

static uint32_t out_room(const struct client *c)
{
    return CLIENT_OUT_BYTES - c->out_bytes;
}

/* Makes the free room one piece at the end. */
static uint8_t *out_tail(struct client *c)
{
    if (c->out_head > 0) {
        memmove(c->out, c->out + c->out_head, c->out_bytes);
        c->out_head = 0;
    }
    return c->out + c->out_bytes;
}

/* Callers see to it that COMMAND_MAX bytes of room are there and addresses are bounded. */
static void __attribute__((format(printf, 2, 3))) say(struct client *c, const char *format, ...)
{
    char *tail = (char *)out_tail(c);
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(tail, out_room(c), format, ap);
    va_end(ap);
    must(n > 0 && (uint32_t)n < out_room(c));
    c->out_bytes += (uint32_t)n;
}

struct span client_output(const struct client *c)
{
    return span_of(c->out + c->out_head, c->out_bytes);
}

static void quit_say(struct client *c, struct usec now)
{
    /* A server that does not even read our commands does not wait for this one. */
    if (out_room(c) < COMMAND_MAX) {
        client_lost(c, STATUS(4, 3, 0), "the delivery was given up");
        return;
    }
    say(c, "QUIT\r\n");
    state_enter(c, CLIENT_QUIT, now, c->job->timeouts->quit);
}

/* ---- the envelope ---- */

static bool is_8bit(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] >= 0x80)
            return true;
    return false;
}

/* What may stand between < and > without becoming something else there. */
static bool address_is_safe(struct span s)
{
    bool quoted = false;

    if (s.len > CLIENT_ADDRESS_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t ch = s.ptr[i];

        if (ch < 0x20 || ch == 0x7f)
            return false;
        if (ch == '"')
            quoted = !quoted;
        else if (quoted && ch == '\\')
            i++;
        else if (!quoted && (ch == ' ' || ch == '<' || ch == '>'))
            return false;
        if (i < s.len && (s.ptr[i] < 0x20 || s.ptr[i] == 0x7f))
            return false;
    }
    return !quoted;
}

/* Gives the verdicts that need no server, and lists the recipients that do. */
static void envelope_judge(struct client *c)
{
    const struct client_job *job = c->job;
    bool utf8 = (c->extensions & CLIENT_SMTPUTF8) != 0;

    if (!address_is_safe(job->sender))
        verdicts_give(job->verdicts, ATTEMPT_FAILED, STATUS(5, 1, 7),
                      "the sender's address cannot be sent");
    if (!utf8 && (is_8bit(job->sender) || job->header_8bit))
        verdicts_give(job->verdicts, ATTEMPT_FAILED, STATUS(5, 6, 7),
                      "the message needs SMTPUTF8, which the server does not offer");
    if (c->size_limit > 0 && job->content_bytes > c->size_limit)
        verdicts_give(job->verdicts, ATTEMPT_FAILED, STATUS(5, 3, 4),
                      "the message is larger than the server takes");
    for (uint32_t i = 0; i < job->verdicts->count; i++) {
        if (job->recipients[i].len == 0 || !address_is_safe(job->recipients[i]))
            verdict_give(job->verdicts, i, ATTEMPT_FAILED, STATUS(5, 1, 3),
                         "the recipient's address cannot be sent");
        if (!utf8 && is_8bit(job->recipients[i]))
            verdict_give(job->verdicts, i, ATTEMPT_FAILED, STATUS(5, 6, 7),
                         "the address needs SMTPUTF8, which the server does not offer");
        if (job->verdicts->of[i].result == 0)
            c->order[c->order_count++] = i;
    }
}

static void mail_say(struct client *c)
{
    const struct client_job *job = c->job;
    bool utf8 = (job->flags & ENVELOPE_UTF8) != 0 || is_8bit(job->sender) || job->header_8bit;
    char size[40] = "";

    for (uint32_t i = 0; i < c->order_count; i++)
        utf8 = utf8 || is_8bit(job->recipients[c->order[i]]);
    if ((c->extensions & CLIENT_SIZE) != 0)
        snprintf(size, sizeof(size), " SIZE=%llu", (unsigned long long)job->content_bytes);
    say(c, "MAIL FROM:<%.*s>%s%s%s\r\n", (int)job->sender.len, (const char *)job->sender.ptr, size,
        (job->flags & ENVELOPE_8BIT) != 0 && (c->extensions & CLIENT_8BITMIME) != 0
            ? " BODY=8BITMIME"
            : "",
        utf8 && (c->extensions & CLIENT_SMTPUTF8) != 0 ? " SMTPUTF8" : "");
}

/* Sends what may go: one command, or with PIPELINING all that fits. */
static void envelope_pump(struct client *c)
{
    while (c->state == CLIENT_ENVELOPE && c->commands <= c->order_count &&
           out_room(c) >= COMMAND_MAX) {
        if ((c->extensions & CLIENT_PIPELINING) == 0 && c->commands > c->replies)
            return;
        if (c->commands == 0) {
            mail_say(c);
        } else {
            struct span to = c->job->recipients[c->order[c->commands - 1]];

            say(c, "RCPT TO:<%.*s>\r\n", (int)to.len, (const char *)to.ptr);
        }
        c->commands++;
    }
}

static void envelope_begin(struct client *c, struct usec now)
{
    envelope_judge(c);
    if (c->order_count == 0) {
        quit_say(c, now);
        return;
    }
    state_enter(c, CLIENT_ENVELOPE, now, c->job->timeouts->mail);
    envelope_pump(c);
}

/* ---- replies ---- */

static uint32_t reply_status(const struct client *c)
{
    const struct reply_parser *r = &c->reply;

    if (r->status[0] == 0)
        return STATUS(r->code / 100, 0, 0);
    return STATUS(r->status[0], r->status[1], r->status[2]);
}

/* The server's word for one recipient: 4yz deferred, 5yz failed. */
static void reply_give(struct client *c, uint32_t i)
{
    const struct reply_parser *r = &c->reply;
    enum attempt_result result = r->code / 100 == 2   ? ATTEMPT_DELIVERED
                                 : r->code / 100 == 5 ? ATTEMPT_FAILED
                                                      : ATTEMPT_DEFERRED;

    verdict_reply(c->job->verdicts, i, result, r->code, reply_status(c),
                  span_of(r->text, r->text_bytes));
}

static void reply_give_all(struct client *c)
{
    for (uint32_t i = 0; i < c->job->verdicts->count; i++)
        reply_give(c, i);
}

/* Deferred whatever the code says: the words are about the server, not about the mail. */
static void reply_defer_all(struct client *c)
{
    const struct reply_parser *r = &c->reply;
    uint32_t status = r->code / 100 == 4 ? reply_status(c) : STATUS(4, 3, 0);

    for (uint32_t i = 0; i < c->job->verdicts->count; i++)
        verdict_reply(c->job->verdicts, i, ATTEMPT_DEFERRED, r->code, status,
                      span_of(r->text, r->text_bytes));
}

static void protocol_error(struct client *c)
{
    char text[200];

    snprintf(text, sizeof(text), "the server said %u where it cannot: waiting for %s",
             c->reply.code, client_waits_for(c));
    client_lost(c, STATUS(4, 5, 0), text);
}

static void ehlo_line(struct client *c)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } known[] = {
        {"PIPELINING", CLIENT_PIPELINING},
        {"SIZE",       CLIENT_SIZE      },
        {"8BITMIME",   CLIENT_8BITMIME  },
        {"SMTPUTF8",   CLIENT_SMTPUTF8  }
    };
    struct span line = reply_line(&c->reply);
    const char *text = (const char *)line.ptr;
    size_t word = 0;

    /* The first line is the server's name (RFC 5321 s4.1.1.1). */
    if (c->reply.code != 250 || c->reply.lines < 2)
        return;
    while (word < line.len && text[word] != ' ')
        word++;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strlen(known[i].name) != word || strncasecmp(text, known[i].name, word) != 0)
            continue;
        c->extensions |= known[i].bit;
        if (known[i].bit == CLIENT_SIZE && line.len > word && line.len - word < 21) {
            char number[24] = "";

            memcpy(number, text + word + 1, line.len - word - 1);
            c->size_limit = strtoull(number, NULL, 10);
        }
    }
}

static void hello_reply(struct client *c, struct usec now)
{
    unsigned class = c->reply.code / 100;

    if (class == 2) {
        envelope_begin(c, now);
    } else if (class == 5 && c->state == CLIENT_EHLO) {
        c->extensions = 0;
        c->size_limit = 0;
        say(c, "HELO %.*s\r\n", (int)c->job->helo.len, (const char *)c->job->helo.ptr);
        state_enter(c, CLIENT_HELO, now, c->job->timeouts->hello);
    } else if (class == 3) {
        protocol_error(c);
    } else {
        reply_defer_all(c);
        quit_say(c, now);
    }
}

static void greeting_reply(struct client *c, struct usec now)
{
    if (c->reply.code / 100 != 2) {
        reply_defer_all(c);
        quit_say(c, now);
        return;
    }
    say(c, "EHLO %.*s\r\n", (int)c->job->helo.len, (const char *)c->job->helo.ptr);
    state_enter(c, CLIENT_EHLO, now, c->job->timeouts->hello);
}

static void envelope_reply(struct client *c, struct usec now)
{
    unsigned class = c->reply.code / 100;

    if (c->replies >= c->commands || class == 3) {
        protocol_error(c);
        return;
    }
    if (c->replies++ == 0) { /* MAIL */
        if (class != 2) {
            reply_give_all(c);
            quit_say(c, now);
            return;
        }
    } else {
        uint32_t i = c->order[c->replies - 2];

        if (class == 2) {
            c->accepted[i] = 1;
            c->accepted_count++;
        } else if (c->reply.code == 552) { /* RFC 5321 s4.5.3.1.10 */
            verdict_reply(c->job->verdicts, i, ATTEMPT_DEFERRED, c->reply.code, STATUS(4, 5, 3),
                          span_of(c->reply.text, c->reply.text_bytes));
        } else {
            reply_give(c, i);
        }
    }
    c->due = usec_add(now, c->job->timeouts->rcpt);
    if (c->replies <= c->order_count) {
        envelope_pump(c);
    } else if (c->accepted_count == 0) {
        quit_say(c, now);
    } else {
        say(c, "DATA\r\n");
        state_enter(c, CLIENT_DATA, now, c->job->timeouts->data);
    }
}

static void data_reply(struct client *c, struct usec now)
{
    unsigned class = c->reply.code / 100;

    if (c->reply.code == 354) {
        c->line_start = true;
        state_enter(c, CLIENT_BODY, now, c->job->timeouts->block);
    } else if (class == 2 || class == 3) {
        protocol_error(c);
    } else {
        reply_give_all(c);
        quit_say(c, now);
    }
}

static void dot_reply(struct client *c, struct usec now)
{
    if (c->reply.code / 100 == 3) {
        protocol_error(c);
        return;
    }
    reply_give_all(c);
    quit_say(c, now);
}

static void reply_run(struct client *c, struct usec now)
{
    /* One command, one reply: an answer to what is not yet sent is an answer to something else.
     * Only an envelope's pipelined group may be answered while its end is still going out. */
    bool early = c->out_bytes > 0 && c->state != CLIENT_ENVELOPE;

    if (c->state == CLIENT_QUIT) {
        c->state = CLIENT_CLOSED;
    } else if (c->reply.code == 421) { /* may come at any time (RFC 5321 s3.8) */
        reply_defer_all(c);
        client_lost(c, STATUS(4, 4, 2), "");
    } else if (c->state == CLIENT_BODY || (early && c->reply.code / 100 > 3)) {
        reply_defer_all(c);
        client_lost(c, STATUS(4, 4, 2), "");
    } else if (early) {
        protocol_error(c);
    } else if (c->state == CLIENT_GREETING) {
        greeting_reply(c, now);
    } else if (c->state == CLIENT_EHLO || c->state == CLIENT_HELO) {
        hello_reply(c, now);
    } else if (c->state == CLIENT_ENVELOPE) {
        envelope_reply(c, now);
    } else if (c->state == CLIENT_DATA) {
        data_reply(c, now);
    } else if (c->state == CLIENT_DOT) {
        dot_reply(c, now);
    }
}

void client_input(struct client *c, struct span in, struct usec now)
{
    while (in.len > 0 && c->state != CLIENT_CLOSED && c->state != CLIENT_CONNECT) {
        size_t eaten;
        enum reply_verdict v = reply_feed(&c->reply, in, &eaten);

        in = span_skip(in, eaten);
        if (v == REPLY_BAD) {
            client_lost(c, STATUS(4, 5, 0), c->reply.why);
            return;
        }
        if ((v == REPLY_LINE || v == REPLY_DONE) && c->state == CLIENT_EHLO)
            ehlo_line(c);
        if (v == REPLY_DONE)
            reply_run(c, now);
    }
}

/* ---- content ---- */

bool client_wants_content(const struct client *c)
{
    return c->state == CLIENT_BODY && out_room(c) >= 2 * CLIENT_CONTENT_MAX;
}

void client_content(struct client *c, struct span in, struct usec now)
{
    uint8_t *out = out_tail(c);
    uint32_t n = 0;

    (void)now;
    must(client_wants_content(c) && in.len <= CLIENT_CONTENT_MAX);
    for (size_t i = 0; i < in.len; i++) {
        uint8_t ch = in.ptr[i];

        /* RFC 5321 s4.5.2. */
        if (ch == '.' && c->line_start)
            out[n++] = '.';
        out[n++] = ch;
        c->content_8bit |= ch >= 0x80;
        c->line_start = ch == '\n' && c->seen_cr;
        c->seen_cr = ch == '\r';
    }
    c->out_bytes += n;
}

void client_content_end(struct client *c, struct usec now)
{
    must(client_wants_content(c));
    say(c, "%s.\r\n", c->line_start ? "" : "\r\n");
    state_enter(c, CLIENT_DOT, now, c->job->timeouts->block);
}

void client_sent(struct client *c, size_t n, struct usec now)
{
    must(n <= c->out_bytes);
    c->out_bytes -= (uint32_t)n;
    c->out_head = c->out_bytes == 0 ? 0 : c->out_head + (uint32_t)n;
    if (n > 0 && c->state == CLIENT_BODY)
        c->due = usec_add(now, c->job->timeouts->block);
    if (n > 0 && c->state == CLIENT_DOT)
        c->due = usec_add(now, c->out_bytes > 0 ? c->job->timeouts->block : c->job->timeouts->dot);
    envelope_pump(c);
}

/* ---- time ---- */

struct usec client_due(const struct client *c)
{
    return c->due.us < c->total_due.us ? c->due : c->total_due;
}

void client_tick(struct client *c, struct usec now)
{
    char text[200];

    if (c->state == CLIENT_CLOSED || !usec_reached(client_due(c), now))
        return;
    snprintf(text, sizeof(text), "timed out waiting for %s", client_waits_for(c));
    client_lost(c, c->state == CLIENT_CONNECT ? STATUS(4, 4, 1) : STATUS(4, 4, 2), text);
}

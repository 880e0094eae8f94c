/* smtp_event.c - what a session leaves behind in the log (contract: smtp_log.h). */
#include "smtp_session.h"

#define ITEM_HEAD_BYTES 2u /* tag, length */

static struct smtp_log_event *event_new(struct smtp *s, struct smtp_turn *turn,
                                        enum smtp_log_type type)
{
    struct smtp_log *log = turn->log;
    struct smtp_log_event *e;

    if (log == NULL || log->count >= log->cap) {
        if (log != NULL)
            log->lost++;
        count_one(&turn->counters[SMTP_COUNT_LOG_LOST]);
        return NULL;
    }
    e = &log->events[log->count++];
    memset(e, 0, sizeof(*e));
    e->type = (uint32_t)type;
    e->wall_us = turn->wall_us;
    e->session = s->peer.session;
    e->message = s->message;
    e->client = s->peer.client;
    e->local = s->peer.local;
    e->client_port = s->peer.client_port;
    e->local_port = s->peer.local_port;
    e->took_us = usec_since(s->opened, turn->now);
    e->policy_generation = s->generation;
    return e;
}

/* Appends an item, cut to what fits; the mark of a cut always fits. */
static void event_text(struct smtp_log_event *e, enum smtp_log_tag tag, struct span text)
{
    size_t room = SMTP_LOG_TEXT_MAX - e->text_bytes, n = text.len;
    bool cut;

    if (n == 0 || room <= 2 * ITEM_HEAD_BYTES)
        return;
    room -= 2 * ITEM_HEAD_BYTES;
    if (n > room)
        n = room;
    if (n > UINT8_MAX)
        n = UINT8_MAX;
    cut = n < text.len;
    e->text[e->text_bytes++] = (uint8_t)tag;
    e->text[e->text_bytes++] = (uint8_t)n;
    memcpy(e->text + e->text_bytes, text.ptr, n);
    e->text_bytes += (uint32_t)n;
    if (cut) {
        e->text[e->text_bytes++] = LOG_TAG_CUT;
        e->text[e->text_bytes++] = 0;
    }
}

static void event_reply(struct smtp_log_event *e, enum smtp_reply id)
{
    const struct reply_row *row = reply_row(id);

    e->code = row->code;
    memcpy(e->status, row->status, sizeof(e->status));
    event_text(e, LOG_TAG_REASON, reply_words(id));
}

static void event_helo(struct smtp_log_event *e, const struct smtp *s, const struct smtp_turn *turn)
{
    uint8_t name[SMTP_HELO_BYTES_MAX];

    event_text(e, LOG_TAG_HELO, span_of(name, smtp_helo_name(s, turn, name)));
}

static void event_sender(struct smtp_log_event *e, const struct smtp *s,
                         const struct smtp_turn *turn)
{
    uint8_t sender[ENVELOPE_PATH_MAX];

    event_text(e, LOG_TAG_SENDER, span_of(sender, smtp_sender(s, turn, sender)));
}

static void event_recipient(struct smtp_log_event *e, const struct smtp *s,
                            const struct smtp_turn *turn)
{
    uint8_t rcpt[ENVELOPE_PATH_MAX];

    event_text(e, LOG_TAG_RECIPIENT, span_of(rcpt, smtp_first_recipient(s, turn, rcpt)));
}

void smtp_log_refused(struct smtp *s, struct smtp_turn *turn, enum smtp_reply id,
                      struct span sender, struct span recipient)
{
    struct smtp_log_event *e;

    if (s->refused_logged == SMTP_REFUSED_LOGGED_MAX)
        return;
    s->refused_logged++;
    e = event_new(s, turn, SMTP_LOG_REFUSED);
    if (e == NULL)
        return;
    event_reply(e, id);
    if (recipient.len > 0)
        event_text(e, LOG_TAG_RECIPIENT, recipient);
    else
        event_recipient(e, s, turn);
    if (sender.len > 0)
        event_text(e, LOG_TAG_SENDER, sender);
    else
        event_sender(e, s, turn);
    event_helo(e, s, turn);
    e->recipients = s->recipients;
}

void smtp_log_accepted(struct smtp *s, struct smtp_turn *turn)
{
    struct smtp_log_event *e = event_new(s, turn, SMTP_LOG_ACCEPTED);

    if (e == NULL)
        return;
    e->recipients = s->recipients;
    e->bytes_in = s->content_bytes;
    event_sender(e, s, turn);
    event_recipient(e, s, turn);
    event_helo(e, s, turn);
}

void smtp_log_session(struct smtp *s, struct smtp_turn *turn, uint64_t bytes_in, uint64_t bytes_out)
{
    struct smtp_log_event *e = event_new(s, turn, SMTP_LOG_SESSION);

    if (e == NULL)
        return;
    e->end = s->end;
    e->recipients = s->recipients_all;
    e->messages = s->messages;
    e->refused = s->refused;
    e->commands = s->commands;
    e->bytes_in = bytes_in;
    e->bytes_out = bytes_out;
    if (s->last_refusal != REPLY_NONE)
        event_reply(e, (enum smtp_reply)s->last_refusal);
    else if (s->early_noted)
        event_text(e, LOG_TAG_REASON, span_str("client spoke before the greeting"));
    else if (s->bare_noted)
        event_text(e, LOG_TAG_REASON, span_str("bare CR or LF made CRLF"));
    if (!s->server_gone)
        event_text(e, LOG_TAG_SERVER, smtp_server(s, turn).name);
    event_helo(e, s, turn);
}

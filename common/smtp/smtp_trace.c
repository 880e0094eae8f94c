/* smtp_trace.c - a message is born: its id, its envelope's header, our Received: header
 * (RFC 5321 s4.4, RFC 5322 s3.6.7).
 *
 *   Received: from HELO ([10.25.0.1])
 *       by HOSTNAME (Sluice) with ESMTP id 06JYW3Q0V4001
 *       for <user@example.org>;
 *       Sat, 22 Nov 2025 23:59:00 +0000
 *
 * (each further line begins with a tab)
 *
 * "for" stands there only when there is one recipient: several would tell each of the others
 * (RFC 5321 s7.2).
 */
#include "base_must.h"
#include "base_text.h"
#include "ipc_envelope.h"
#include "ipc_id.h"
#include "smtp_session.h"

struct writer {
    uint8_t bytes[SMTP_TRACE_BYTES_MAX];
    size_t len;
};

static void put(struct writer *w, struct span text)
{
    must(text.len <= sizeof(w->bytes) - w->len);
    if (text.len > 0)
        memcpy(w->bytes + w->len, text.ptr, text.len);
    w->len += text.len;
}

static void put_str(struct writer *w, const char *text)
{
    put(w, span_str(text));
}

/* What could end or bend the header's structure becomes '?'. */
static void put_name(struct writer *w, struct span name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     c == '-' || c == '.' || c == '_' || c == ':' || c == '[' || c == ']';

        put(w, plain ? span_of(&c, 1) : span_str("?"));
    }
}

static void put_two(struct writer *w, unsigned n)
{
    uint8_t digits[2] = {(uint8_t)('0' + n / 10 % 10), (uint8_t)('0' + n % 10)};

    put(w, span_of(digits, 2));
}

/* RFC 5322 s3.3, in UTC */
static void put_date(struct writer *w, uint64_t wall_us)
{
    static const char day[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char month[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    uint64_t seconds = wall_us / 1000000;
    struct text_date date = text_date(seconds / 86400);
    unsigned of_day = (unsigned)(seconds % 86400);
    char number[TEXT_U64_MAX];

    put_str(w, day[date.weekday]);
    put_str(w, ", ");
    put(w, span_of(number, text_u64(number, date.day)));
    put_str(w, " ");
    put_str(w, month[date.month - 1]);
    put_str(w, " ");
    put(w, span_of(number, text_u64(number, date.year)));
    put_str(w, " ");
    put_two(w, of_day / 3600);
    put_str(w, ":");
    put_two(w, of_day / 60 % 60);
    put_str(w, ":");
    put_two(w, of_day % 60);
    put_str(w, " +0000");
}

static const char *protocol(const struct smtp *s)
{
    if (s->utf8)
        return "UTF8SMTP"; /* RFC 6531 s4.3 */
    return s->esmtp ? "ESMTP" : "SMTP";
}

static void put_received(struct smtp *s, struct smtp_turn *turn, struct writer *w)
{
    uint8_t name[ENVELOPE_PATH_MAX];
    char ip[TEXT_IP_MAX], id[ID_TEXT_LEN + 1];

    put_str(w, "Received: from ");
    put_name(w, span_of(name, smtp_helo_name(s, turn, name)));
    put_str(w, ip_is_v4(&s->peer.client) ? " ([" : " ([IPv6:");
    put(w, span_of(ip, text_ip(ip, &s->peer.client)));
    put_str(w, "])\r\n\tby ");
    put(w, smtp_server(s, turn).hostname);
    put_str(w, " (Sluice) with ");
    put_str(w, protocol(s));
    put_str(w, " id ");
    id_text(s->message, id);
    put_str(w, id);
    if (s->recipients == 1) {
        put_str(w, "\r\n\tfor <");
        put(w, span_of(name, smtp_first_recipient(s, turn, name)));
        put_str(w, ">");
    }
    put_str(w, ";\r\n\t");
    put_date(w, turn->wall_us);
    put_str(w, "\r\n");
}

bool smtp_begin_message(struct smtp *s, struct smtp_turn *turn)
{
    struct writer w = {.len = 0};
    struct envelope_header header = {
        .version = ENVELOPE_VERSION,
        .flags = (s->body_8bit ? ENVELOPE_8BIT : 0u) | (s->utf8 ? ENVELOPE_UTF8 : 0u) |
                 (s->esmtp ? ENVELOPE_ESMTP : 0u),
        .session = s->peer.session,
        .arrived_us = turn->wall_us,
        .client = s->peer.client,
        .local = s->peer.local,
        .client_port = s->peer.client_port,
        .local_port = s->peer.local_port,
        .recipients = s->recipients,
    };

    _Static_assert(ENVELOPE_HEADER_BYTES <= CHAIN_BLOCK_BYTES, "the header lies in one block");
    s->message = id_next(turn->last_id, turn->wall_us, turn->worker);
    put_received(s, turn, &w);
    s->envelope_bytes = s->envelope.bytes;
    if (!chain_put(turn->blocks, &s->envelope, span_of(w.bytes, w.len))) {
        count_one(&turn->counters[SMTP_COUNT_NO_BLOCKS]);
        return false;
    }
    header.message = s->message;
    envelope_put_header(((struct smtp_block *)pool_at(turn->blocks, s->envelope.head))->bytes,
                        &header);
    chain_rewind(&s->envelope, &s->written);
    s->content_bytes = 0;
    s->hops = 0;
    s->header_match = 0;
    s->in_header = s->line_empty = true;
    s->at = AT_LINE_START;
    s->verdict = REPLY_NONE;
    s->started = true;
    return true;
}

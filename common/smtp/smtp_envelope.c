/* smtp_envelope.c - MAIL and RCPT (RFC 5321 s4.1.1.2, s4.1.1.3): who may send to whom.
 *
 * The envelope is built as the bytes the queue will keep (ipc_envelope.h): at MAIL the header's
 * place, HELO, SERVER, HOSTNAME and SENDER, at each RCPT one RECIPIENT.  It is complete, header
 * included, only when smtp_trace.c has begun the message.
 */
#include "ipc_envelope.h"
#include "smtp_param.h"
#include "smtp_path.h"
#include "smtp_session.h"

#define ITEM_HEAD_BYTES 4u /* type, flags, length */

static bool put_item(struct smtp *s, struct smtp_turn *turn, enum envelope_item type,
                     struct span text)
{
    uint8_t item[ITEM_HEAD_BYTES + ENVELOPE_PATH_MAX];
    size_t n = envelope_put_item(item, sizeof(item), type, text);

    return n > 0 && chain_put(turn->blocks, &s->envelope, span_of(item, n));
}

static bool envelope_open(struct smtp *s, struct smtp_turn *turn, struct span sender)
{
    static const uint8_t header[ENVELOPE_HEADER_BYTES];
    struct policy_server server = smtp_server(s, turn);
    uint8_t helo[SMTP_HELO_BYTES_MAX];
    struct span name = span_of(helo, smtp_helo_name(s, turn, helo));

    return chain_put(turn->blocks, &s->envelope, span_of(header, sizeof(header))) &&
           put_item(s, turn, ENVELOPE_HELO, name) &&
           put_item(s, turn, ENVELOPE_SERVER, server.name) &&
           put_item(s, turn, ENVELOPE_HOSTNAME, server.hostname) &&
           put_item(s, turn, ENVELOPE_SENDER, sender);
}

size_t smtp_sender(const struct smtp *s, const struct smtp_turn *turn,
                   uint8_t out[ENVELOPE_PATH_MAX])
{
    if (s->sender_bytes > 0)
        chain_read(turn->blocks, &s->envelope, s->first_rcpt_at - ITEM_HEAD_BYTES - s->sender_bytes,
                   out, s->sender_bytes);
    return s->sender_bytes;
}

size_t smtp_first_recipient(const struct smtp *s, const struct smtp_turn *turn,
                            uint8_t out[ENVELOPE_PATH_MAX])
{
    if (s->first_rcpt_bytes > 0)
        chain_read(turn->blocks, &s->envelope, s->first_rcpt_at, out, s->first_rcpt_bytes);
    return s->first_rcpt_bytes;
}

/* "FROM:" or "TO:" off the front; RFC 5321 allows no space behind it, real clients send it. */
static bool keyword(struct span *args, const char *word)
{
    size_t n = strlen(word);

    if (args->len < n || !text_is(span_of(args->ptr, n), word))
        return false;
    *args = span_skip(*args, n);
    return true;
}

static void refuse_mail(struct smtp *s, struct smtp_turn *turn, enum smtp_reply id, bool junk,
                        struct span sender)
{
    count_one(&turn->counters[SMTP_COUNT_SENDERS_REFUSED]);
    smtp_log_refused(s, turn, id, sender, NO_ADDRESS);
    if (junk)
        smtp_junk(s, turn, id);
    else
        smtp_reply(s, turn, id);
}

/* What the edge itself says about taking mail now. */
static enum smtp_reply intake(const struct smtp_turn *turn)
{
    if (turn->queue_gone)
        return REPLY_QUEUE_GONE;
    return turn->intake_shut ? REPLY_INTAKE_SHUT : REPLY_NONE;
}

static enum smtp_reply mail_parse(struct span args, struct smtp_path *ret_path,
                                  struct smtp_params *ret_params)
{
    enum smtp_reply reply;

    if (!keyword(&args, "FROM:"))
        return REPLY_MAIL_SYNTAX;
    if (!smtp_path(&args, ret_path) || (!ret_path->null && path_domain(ret_path).len == 0))
        return REPLY_SENDER_SYNTAX;
    reply = smtp_mail_params(args, ret_params);
    /* RFC 6531 s3.4: without SMTPUTF8 an address is ASCII. */
    if (reply == REPLY_NONE && ret_path->utf8 && !ret_params->utf8)
        return REPLY_NEEDS_UTF8;
    return reply;
}

void verb_mail(struct smtp *s, struct smtp_turn *turn, struct span args)
{
    struct smtp_params params;
    struct smtp_path path;
    enum smtp_reply reply = mail_parse(args, &path, &params);

    if (reply != REPLY_NONE) {
        refuse_mail(s, turn, reply, true, args);
        return;
    }
    /* RFC 1870 s6.1 */
    if (s->limits.message_bytes > 0 && params.size > s->limits.message_bytes)
        reply = REPLY_TOO_BIG;
    else
        reply = intake(turn);
    if (reply == REPLY_NONE && !envelope_open(s, turn, path_text(&path))) {
        count_one(&turn->counters[SMTP_COUNT_NO_BLOCKS]);
        chain_free(turn->blocks, &s->envelope);
        reply = REPLY_NO_MEMORY;
    }
    if (reply != REPLY_NONE) {
        refuse_mail(s, turn, reply, false, path_text(&path));
        return;
    }
    s->sender_bytes = path.bytes;
    s->first_rcpt_at = s->envelope.bytes + ITEM_HEAD_BYTES;
    s->null_sender = path.null;
    s->declared_bytes = params.size;
    s->body_8bit = params.body_8bit;
    s->utf8 = params.utf8;
    count_one(&turn->counters[SMTP_COUNT_SENDERS_ACCEPTED]);
    smtp_enter(s, S_MAIL);
    smtp_reply(s, turn, REPLY_SENDER_OK);
}

static bool is_postmaster(const struct smtp_path *p)
{
    return text_is(path_local(p), "POSTMASTER");
}

/* user%other@ours, other!user@ours, "user@other"@ours: the old ways to ask for a relay. */
static bool has_routing(const struct smtp_path *p)
{
    for (unsigned i = 0; i < p->local_bytes; i++) {
        if (p->local[i] == '%' || p->local[i] == '!' || p->local[i] == '@')
            return true;
    }
    return false;
}

/* The policy's answer as a reply; REPLY_NONE: accepted. */
static enum smtp_reply rcpt_judge(struct smtp *s, struct smtp_turn *turn, const struct smtp_path *p)
{
    struct policy_who who = {
        .client = s->peer.client, .local = s->peer.local, .local_port = s->peer.local_port};
    struct policy_answer answer =
        policy_rcpt(turn->policy, s->peer.server, &who, path_local(p), path_domain(p));

    /* RFC 5321 s4.5.1: postmaster of every domain of ours, listed or not. */
    if ((answer.verdict == RCPT_UNKNOWN || answer.verdict == RCPT_STALE) &&
        path_domain(p).len > 0 && is_postmaster(p))
        return REPLY_NONE;
    switch (answer.verdict) {
    case RCPT_ACCEPT:
        return REPLY_NONE;
    case RCPT_UNKNOWN:
        return has_routing(p) ? REPLY_RELAY_ADDRESS : REPLY_UNKNOWN_RECIPIENT;
    case RCPT_RELAY_DENIED:
        return has_routing(p) ? REPLY_RELAY_ADDRESS : REPLY_RELAY_DENIED;
    case RCPT_REFUSED:
        return REPLY_DOMAIN_REFUSED;
    case RCPT_NO_ROUTE:
        return REPLY_NO_ROUTE;
    case RCPT_STALE:
        break;
    }
    return REPLY_STALE;
}

static enum smtp_counter rcpt_counter(enum smtp_reply id)
{
    switch (id) {
    case REPLY_UNKNOWN_RECIPIENT:
        return SMTP_COUNT_RCPT_UNKNOWN;
    case REPLY_RELAY_ADDRESS:
    case REPLY_RELAY_DENIED:
        return SMTP_COUNT_RCPT_RELAY;
    case REPLY_DOMAIN_REFUSED:
        return SMTP_COUNT_RCPT_REFUSED;
    case REPLY_NO_ROUTE:
        return SMTP_COUNT_RCPT_NO_ROUTE;
    case REPLY_STALE:
        return SMTP_COUNT_RCPT_STALE;
    case REPLY_TOO_MANY_RECIPIENTS:
        return SMTP_COUNT_RCPT_LIMIT;
    case REPLY_NULL_SENDER:
        return SMTP_COUNT_RCPT_NULL_SENDER;
    case REPLY_NO_MEMORY:
        return SMTP_COUNT_RCPT_MEMORY;
    default:
        return SMTP_COUNT_RCPT_SYNTAX;
    }
}

/* x@other@ours: no address, but another old way to ask for a relay. */
static bool has_two_domains(struct span args)
{
    unsigned ats = 0;

    args = text_trim_left(args);
    for (size_t i = 0; i < args.len && memchr("> \t", args.ptr[i], 3) == NULL; i++) {
        ats += args.ptr[i] == '@';
        if (args.ptr[i] == ':') /* so far a source route */
            ats = 0;
    }
    return ats > 1;
}

static enum smtp_reply rcpt_parse(const struct smtp *s, struct span args, struct smtp_path *ret)
{
    struct span path;

    if (!keyword(&args, "TO:"))
        return REPLY_RCPT_SYNTAX;
    path = args;
    if (!smtp_path(&args, ret) || ret->null)
        return has_two_domains(path) ? REPLY_RELAY_ADDRESS : REPLY_RECIPIENT_SYNTAX;
    /* RFC 5321 s4.1.1.3: only postmaster goes without a domain. */
    if (path_domain(ret).len == 0 && !is_postmaster(ret))
        return has_routing(ret) ? REPLY_RELAY_ADDRESS : REPLY_RECIPIENT_SYNTAX;
    if (ret->utf8 && !s->utf8)
        return REPLY_NEEDS_UTF8;
    return smtp_rcpt_params(args);
}

/* postmaster@[our address] is <postmaster>: no server behind us would know our address. */
static void strip_own_literal(const struct smtp *s, struct smtp_path *p)
{
    if (p->literal && is_postmaster(p) && ip_equal(&p->address, &s->peer.local)) {
        p->bytes = (uint16_t)(p->domain_at - 1);
        p->domain_at = p->bytes;
    }
}

/* What speaks against one more recipient, the cheap reasons first; it is stored otherwise. */
static enum smtp_reply rcpt_take(struct smtp *s, struct smtp_turn *turn, struct smtp_path *path)
{
    enum smtp_reply reply;

    if (s->recipients >= s->limits.recipients ||
        s->envelope.bytes + ITEM_HEAD_BYTES + path->bytes > ENVELOPE_BYTES_MAX)
        return REPLY_TOO_MANY_RECIPIENTS;
    strip_own_literal(s, path);
    reply = rcpt_judge(s, turn, path);
    if (reply != REPLY_NONE)
        return reply;
    /* A bounce goes to the one who sent; several recipients are backscatter by design. */
    if (s->null_sender && s->recipients > 0)
        return REPLY_NULL_SENDER;
    if (!put_item(s, turn, ENVELOPE_RECIPIENT, path_text(path))) {
        count_one(&turn->counters[SMTP_COUNT_NO_BLOCKS]);
        return REPLY_NO_MEMORY;
    }
    if (s->recipients++ == 0)
        s->first_rcpt_bytes = path->bytes;
    return REPLY_NONE;
}

void verb_rcpt(struct smtp *s, struct smtp_turn *turn, struct span args)
{
    struct smtp_path path = {0};
    enum smtp_reply reply = rcpt_parse(s, args, &path);
    bool parsed = reply == REPLY_NONE, junk = !parsed && reply != REPLY_RELAY_ADDRESS;

    s->rcpt_tried = true;
    if (parsed)
        reply = rcpt_take(s, turn, &path);
    if (reply == REPLY_NONE) {
        s->recipients_all++;
        count_one(&turn->counters[SMTP_COUNT_RCPT_ACCEPTED]);
        if (s->state == S_MAIL)
            smtp_enter(s, S_RCPT);
        smtp_reply(s, turn, REPLY_RECIPIENT_OK);
        return;
    }
    count_one(&turn->counters[rcpt_counter(reply)]);
    smtp_log_refused(s, turn, reply, NO_ADDRESS, parsed ? path_text(&path) : args);
    if (junk)
        smtp_junk(s, turn, reply);
    else
        smtp_reply(s, turn, reply);
}

/* smtp_session.c - the machine itself: states, the loop over the input, suspend and resume
 * (contract: smtp.h). */
#include "smtp_session.h"

#include "base_must.h"
#include "base_text.h"
#include "ipc_id.h"
#include "smtp_line.h"

/* The only writer of s->state. */
void smtp_enter(struct smtp *s, enum smtp_state state)
{
    static const struct {
        enum smtp_state state;
        unsigned from;
    } edges[] = {
#define STATE(id, bit, name, from) {S_##id, from},
#include "smtp_states.def"
#undef STATE
    };

    for (size_t i = 0; i < ARRAY_LEN(edges); i++)
        must(edges[i].state != state || (edges[i].from & s->state) != 0);
    s->state = (uint8_t)state;
}

static void ended(struct smtp *s, enum smtp_end end)
{
    if (!s->ended)
        s->end = (uint8_t)end;
    s->ended = true;
}

void smtp_close(struct smtp *s, struct smtp_turn *turn, enum smtp_reply id, enum smtp_end end)
{
    if (s->state == S_CLOSED)
        return;
    ended(s, end);
    smtp_reply(s, turn, id);
    smtp_enter(s, S_CLOSED);
    s->owed = SMTP_WANT_INPUT;
}

void smtp_reset(struct smtp *s, struct smtp_turn *turn)
{
    if (s->state == S_CLOSED)
        return;
    if (s->started)
        s->owed = SMTP_WANT_ABORT;
    chain_free(turn->blocks, &s->envelope);
    s->message = s->declared_bytes = s->content_bytes = 0;
    s->envelope_bytes = s->sender_bytes = s->first_rcpt_at = s->first_rcpt_bytes = 0;
    s->recipients = 0;
    s->body = BODY_NONE;
    s->verdict = REPLY_NONE;
    s->started = s->body_8bit = s->utf8 = s->null_sender = s->rcpt_tried = false;
    smtp_enter(s, S_READY);
}

static struct span clamp(struct span text)
{
    if (text.len > SMTP_NAME_BYTES_MAX)
        text.len = SMTP_NAME_BYTES_MAX;
    return text;
}

struct policy_server smtp_server(const struct smtp *s, const struct smtp_turn *turn)
{
    struct policy_server server = {0};

    if (s->peer.server != POLICY_NONE && s->peer.server < policy_servers(turn->policy))
        server = policy_server(turn->policy, s->peer.server);
    server.name = clamp(server.name);
    server.hostname = clamp(server.hostname);
    return server;
}

/* "mx1.example.net ESMTP Sluice" (RFC 5321 s4.2: the host's name comes first). */
static void greet(struct smtp *s, struct smtp_turn *turn)
{
    static const char words[] = " ESMTP Sluice";
    struct span host = smtp_server(s, turn).hostname;
    uint8_t text[SMTP_NAME_BYTES_MAX + sizeof(words)];

    if (host.len > 0)
        memcpy(text, host.ptr, host.len);
    memcpy(text + host.len, words, sizeof(words) - 1);
    count_one(&turn->counters[SMTP_COUNT_GREETED]);
    smtp_reply_with(s, turn, REPLY_GREETING, span_of(text, host.len + sizeof(words) - 1));
}

/* Whether who talks before the greeting is turned away for it; counted. */
static bool early_refused(struct smtp *s, struct smtp_turn *turn)
{
    if (s->peer.trusted || smtp_server(s, turn).early != EARLY_REFUSE)
        return false;
    count_one(&turn->counters[SMTP_COUNT_GREET_EARLY]);
    return true;
}

enum smtp_want smtp_open(struct smtp *s, struct smtp_turn *turn, const struct smtp_peer *peer)
{
    memset(s, 0, sizeof(*s));
    s->peer = *peer;
    s->opened = turn->now;
    s->state = S_GREETED;
    chain_init(&s->line);
    chain_init(&s->helo);
    chain_init(&s->envelope);
    s->generation = ~policy_generation(turn->policy);
    smtp_follow_policy(s, turn);
    s->session_due = usec_add(turn->now, s->limits.session_us);
    smtp_due_in(s, turn, s->limits.command_us);
    if (peer->early)
        count_one(&turn->counters[SMTP_COUNT_EARLY_TALKERS]);

    if (peer->refuse) {
        count_one(&turn->counters[SMTP_COUNT_GREET_REFUSED]);
        smtp_close(s, turn, REPLY_CLIENT_REFUSED, SMTP_END_REFUSED);
    } else if (turn->closing || s->server_gone) {
        smtp_close(s, turn, REPLY_STOPPING, SMTP_END_SHUTDOWN);
    } else if (peer->busy) {
        count_one(&turn->counters[SMTP_COUNT_GREET_BUSY]);
        smtp_close(s, turn, REPLY_BUSY, SMTP_END_LIMIT);
    } else if (peer->early && early_refused(s, turn)) {
        smtp_close(s, turn, REPLY_EARLY_TALKER, SMTP_END_REFUSED);
    } else {
        s->early_noted = peer->early;
        greet(s, turn);
        return SMTP_WANT_INPUT;
    }
    return SMTP_WANT_CLOSE;
}

/* A line is what the input holds next; false: no more can be done now. */
static bool line_step(struct smtp *s, struct smtp_turn *turn, struct span *in)
{
    uint8_t scratch[SMTP_LINE_BYTES_MAX];
    struct span line = span_of(NULL, 0);

    switch (smtp_line(s, turn, in, scratch, &line)) {
    case LINE_MORE:
        return false;
    case LINE_READY:
        smtp_command(s, turn, line, in->len > 0 || turn->more_input);
        break;
    case LINE_LONG:
        count_one(&turn->counters[SMTP_COUNT_LINES_TOO_LONG]);
        smtp_junk(s, turn, REPLY_LINE_LONG);
        break;
    case LINE_NUL:
        smtp_junk(s, turn, REPLY_NUL);
        break;
    case LINE_BARE:
        smtp_close(s, turn, REPLY_BARE_NEWLINE, SMTP_END_REFUSED);
        break;
    case LINE_ENDLESS:
        count_one(&turn->counters[SMTP_COUNT_LINES_TOO_LONG]);
        smtp_close(s, turn, REPLY_LINE_ENDLESS, SMTP_END_LIMIT);
        break;
    case LINE_NO_BLOCKS:
        smtp_close(s, turn, REPLY_SHORTAGE, SMTP_END_ERROR);
        break;
    }
    /* A slow drip of one command is bounded: the time runs from the last whole one. */
    if (s->body == BODY_NONE)
        smtp_due_in(s, turn, s->limits.command_us);
    return true;
}

static bool step(struct smtp *s, struct smtp_turn *turn, struct span *in)
{
    switch ((enum smtp_body)s->body) {
    case BODY_NONE:
        return line_step(s, turn, in);
    case BODY_ASK:
        return smtp_ask_step(s, turn, in);
    case BODY_DATA:
        return smtp_data_step(s, turn, in);
    case BODY_BDAT:
        return smtp_bdat_step(s, turn, in);
    }
    return false;
}

static enum smtp_want commit_reply(struct smtp *s, struct smtp_turn *turn);

/* Bytes that came while our greeting or our 354 had not left were not sent in answer to it,
 * though it is written already: one turn of the caller takes in many segments. */
static bool beats_reply(const struct smtp *s, const struct smtp_turn *turn, struct span in)
{
    if (!turn->replies_wait || in.len == 0 || s->owed != SMTP_WANT_INPUT)
        return false;
    if (s->state == S_GREETED)
        return s->commands == 0 && s->line.bytes == 0 && !s->peer.early;
    return s->body == BODY_DATA && s->at == AT_LINE_START && s->content_bytes == 0;
}

static void beaten(struct smtp *s, struct smtp_turn *turn)
{
    if (s->body == BODY_DATA) {
        smtp_data_pipelined(s, turn);
        return;
    }
    s->peer.early = true;
    count_one(&turn->counters[SMTP_COUNT_EARLY_TALKERS]);
    if (early_refused(s, turn))
        smtp_close(s, turn, REPLY_EARLY_TALKER, SMTP_END_REFUSED);
    else
        s->early_noted = true;
}

enum smtp_want smtp_input(struct smtp *s, struct smtp_turn *turn, struct span *in)
{
    bool go_on = true;

    if (s->commit != 0) { /* the answer that found no room */
        if (reply_room(turn) < SMTP_OUT_MIN)
            return SMTP_WANT_ROOM;
        if (commit_reply(s, turn) == SMTP_WANT_CLOSE)
            return SMTP_WANT_CLOSE;
    }
    must(s->state != S_COMMIT);
    smtp_follow_policy(s, turn);
    if (!s->started)
        s->chunk = NULL; /* after ABORT it is the caller's again, taken or not */
    if (in->len > 0 && s->body != BODY_NONE)
        smtp_due_in(s, turn, s->limits.data_us);
    if (beats_reply(s, turn, *in)) {
        if (reply_room(turn) < SMTP_OUT_MIN)
            return SMTP_WANT_ROOM;
        beaten(s, turn);
    }
    while (go_on && s->owed == SMTP_WANT_INPUT && s->state != S_CLOSED) {
        if (reply_room(turn) < SMTP_OUT_MIN)
            return SMTP_WANT_ROOM;
        go_on = step(s, turn, in);
    }
    if (s->state == S_CLOSED) {
        *in = span_of(NULL, 0); /* whatever comes behind QUIT or a refusal is ignored */
        return SMTP_WANT_CLOSE;
    }
    if (s->owed != SMTP_WANT_INPUT) {
        enum smtp_want want = (enum smtp_want)s->owed;

        s->owed = SMTP_WANT_INPUT;
        return want;
    }
    if (s->eof && in->len == 0 && !turn->more_input) {
        ended(s, SMTP_END_CLIENT_CLOSED);
        smtp_enter(s, S_CLOSED);
        return SMTP_WANT_CLOSE;
    }
    return SMTP_WANT_INPUT;
}

bool smtp_pending(const struct smtp *s)
{
    if (s->state == S_CLOSED || s->owed != SMTP_WANT_INPUT || s->commit != 0)
        return true;
    if (s->state == S_COMMIT)
        return false;
    switch ((enum smtp_body)s->body) {
    case BODY_NONE:
        return false;
    case BODY_ASK:
        return true;
    case BODY_BDAT:
        if (s->bdat_left == 0)
            return true;
        break;
    case BODY_DATA:
        break;
    }
    return s->verdict == REPLY_NONE && s->written.at < s->envelope.bytes;
}

void smtp_chunk(struct smtp *s, uint8_t *memory, uint32_t bytes)
{
    must(s->started && s->chunk == NULL && bytes >= SMTP_CHUNK_BYTES_MIN);
    s->chunk = memory;
    s->chunk_bytes = bytes;
    s->chunk_used = 0;
}

void smtp_no_chunk(struct smtp *s, struct smtp_turn *turn)
{
    bool asked_first = s->body == BODY_ASK;

    must(s->started && s->chunk == NULL);
    content_refuse(s, turn, REPLY_NO_MEMORY);
    if (asked_first)
        s->owed = SMTP_WANT_INPUT; /* nothing was lent: no ABORT */
}

uint32_t smtp_take_chunk(struct smtp *s)
{
    uint32_t used = s->chunk != NULL ? s->chunk_used : 0;

    s->chunk = NULL;
    s->chunk_used = 0;
    return used;
}

struct smtp_message smtp_message(const struct smtp *s)
{
    return (struct smtp_message){.message = s->message,
                                 .envelope_bytes = s->envelope_bytes,
                                 .recipients = s->recipients,
                                 .total_bytes = s->envelope.bytes + s->content_bytes};
}

static enum smtp_reply store_reply(enum smtp_commit result)
{
    switch (result) {
    case SMTP_STORE_FULL:
        return REPLY_STORE_FULL;
    case SMTP_STORE_TOO_BIG:
        return REPLY_TOO_BIG;
    case SMTP_STORE_TIMEOUT:
        return REPLY_STORE_TIMEOUT;
    case SMTP_STORED:
    case SMTP_STORE_FAILED:
        break;
    }
    return REPLY_STORE_FAILED;
}

static void stored(struct smtp *s, struct smtp_turn *turn)
{
    char id[ID_TEXT_LEN + 1];

    s->messages++;
    s->idle_commands = 0;
    count_one(&turn->counters[SMTP_COUNT_MESSAGES_ACCEPTED]);
    count_add(&turn->counters[SMTP_COUNT_MESSAGE_BYTES], s->content_bytes);
    smtp_log_accepted(s, turn);
    id_text(s->message, id);
    smtp_reply_with(s, turn, REPLY_QUEUED, span_str(id));
}

/* Says what became of the message and goes back to commands. */
static enum smtp_want commit_reply(struct smtp *s, struct smtp_turn *turn)
{
    enum smtp_commit result = (enum smtp_commit)(s->commit - 1);

    s->commit = 0;
    s->started = false; /* the queue has it, or has said that it has not */
    s->chunk = NULL;
    if (result == SMTP_STORED) {
        stored(s, turn);
    } else {
        content_refuse(s, turn, store_reply(result));
        smtp_reply(s, turn, store_reply(result));
    }
    smtp_reset(s, turn);
    smtp_due_in(s, turn, s->limits.command_us);
    if (s->stopping) {
        smtp_close(s, turn, REPLY_STOPPING, SMTP_END_SHUTDOWN);
    } else if (s->eof && !turn->more_input) {
        ended(s, SMTP_END_CLIENT_CLOSED);
        smtp_enter(s, S_CLOSED);
    }
    return s->state == S_CLOSED ? SMTP_WANT_CLOSE : SMTP_WANT_INPUT;
}

enum smtp_want smtp_committed(struct smtp *s, struct smtp_turn *turn, enum smtp_commit result)
{
    if (s->state == S_COMMIT && s->commit == 0) {
        s->commit = (uint8_t)(result + 1);
        if (reply_room(turn) < SMTP_OUT_MIN)
            return SMTP_WANT_ROOM;
        return commit_reply(s, turn);
    }
    /* Refused on the way: what still comes of it is read and thrown away. */
    if (s->started && s->state != S_CLOSED && s->state != S_COMMIT) {
        content_refuse(s, turn, store_reply(result));
        s->owed = SMTP_WANT_INPUT;
        return SMTP_WANT_ABORT;
    }
    return s->state == S_CLOSED ? SMTP_WANT_CLOSE : SMTP_WANT_INPUT;
}

enum smtp_want smtp_eof(struct smtp *s, struct smtp_turn *turn)
{
    s->eof = true;
    if (s->state == S_COMMIT)
        return SMTP_WANT_INPUT; /* the reply is owed */
    if (s->state != S_CLOSED && turn->more_input)
        return SMTP_WANT_INPUT; /* what came before the end is served first */
    if (s->state != S_CLOSED) {
        ended(s, SMTP_END_CLIENT_CLOSED);
        smtp_enter(s, S_CLOSED);
    }
    return SMTP_WANT_CLOSE;
}

struct usec smtp_deadline(const struct smtp *s)
{
    if (s->state == S_COMMIT || s->state == S_CLOSED)
        return (struct usec){.us = UINT64_MAX};
    return s->due.us < s->session_due.us ? s->due : s->session_due;
}

enum smtp_want smtp_timer(struct smtp *s, struct smtp_turn *turn)
{
    if (s->state == S_CLOSED)
        return SMTP_WANT_CLOSE;
    if (!usec_reached(smtp_deadline(s), turn->now))
        return SMTP_WANT_INPUT;
    smtp_close(s, turn,
               usec_reached(s->session_due, turn->now) ? REPLY_SESSION_LONG : REPLY_TIMEOUT,
               SMTP_END_TIMEOUT);
    return SMTP_WANT_CLOSE;
}

enum smtp_want smtp_shutdown(struct smtp *s, struct smtp_turn *turn)
{
    s->stopping = true;
    if (s->state == S_COMMIT)
        return SMTP_WANT_INPUT;
    smtp_close(s, turn, REPLY_STOPPING, SMTP_END_SHUTDOWN);
    return SMTP_WANT_CLOSE;
}

void smtp_done(struct smtp *s, struct smtp_turn *turn, enum smtp_end why_gone, uint64_t bytes_in,
               uint64_t bytes_out)
{
    _Static_assert(SMTP_COUNT_END_ERROR - SMTP_COUNT_END_QUIT == SMTP_END_ERROR,
                   "counters in the order of enum smtp_end");

    smtp_follow_policy(s, turn);
    ended(s, why_gone);
    count_one(&turn->counters[SMTP_COUNT_END_QUIT + s->end]);
    s->message = 0;
    smtp_log_session(s, turn, bytes_in, bytes_out);
    chain_free(turn->blocks, &s->line);
    chain_free(turn->blocks, &s->helo);
    chain_free(turn->blocks, &s->envelope);
}

uint64_t smtp_session_id(const struct smtp *s)
{
    return s->peer.session;
}

bool smtp_suspended(const struct smtp *s)
{
    return s->state == S_COMMIT && s->commit == 0;
}

bool smtp_mid_message(const struct smtp *s)
{
    return s->started && s->state != S_COMMIT;
}

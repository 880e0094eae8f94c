/* core_log.c - one JSON (or maillog) line an event. */
#include "core_log.h"

#include <stdlib.h>

#include "base_hash.h"
#include "log_line.h"

#define GATHER_CELLS   256

struct gathered {
    struct ip_addr prefix; /* /24 or /64 */
    uint16_t code;
    uint8_t status[3];
    uint64_t count;
};

struct core_log {
    uint32_t per_second, in_second;
    uint64_t second;
    uint64_t other; /* gathered beyond the cells */
    struct gathered cells[GATHER_CELLS];
};

struct core_log *core_log_new(uint32_t refusals_per_second)
{
    struct core_log *log = calloc(1, sizeof(*log));

    if (log != NULL)
        log->per_second = refusals_per_second;
    return log;
}

static const char *const end_names[] = {
    [SMTP_END_QUIT] = "quit",
    [SMTP_END_CLIENT_CLOSED] = "client closed",
    [SMTP_END_CLIENT_RESET] = "client reset",
    [SMTP_END_TIMEOUT] = "timeout",
    [SMTP_END_REFUSED] = "refused",
    [SMTP_END_LIMIT] = "limit",
    [SMTP_END_SHUTDOWN] = "shutdown",
    [SMTP_END_ERROR] = "error",
};

/* clang-format off */
static const char *const tag_names[] = {
    [LOG_TAG_HELO] = "helo",
    [LOG_TAG_SENDER] = "sender",
    [LOG_TAG_RECIPIENT] = "recipient",
    [LOG_TAG_REASON] = "reason",
    [LOG_TAG_SERVER] = "server",
};
/* clang-format on */

static void put_texts(struct log_line *line, const struct smtp_log_event *e)
{
    uint32_t at = 0, end = e->text_bytes < SMTP_LOG_TEXT_MAX ? e->text_bytes : SMTP_LOG_TEXT_MAX;

    while (at + 2 <= end) {
        uint8_t tag = e->text[at], len = e->text[at + 1];

        if (at + 2 + len > end)
            return;
        if (tag < ARRAY_LEN(tag_names) && tag_names[tag] != NULL)
            log_text(line, tag_names[tag], span_of(e->text + at + 2, len));
        else if (tag == LOG_TAG_CUT)
            log_bool(line, "cut", true);
        at += 2u + len;
    }
}

static void put_figures(struct log_line *line, const struct smtp_log_event *e)
{
    switch (e->type) {
    case SMTP_LOG_SESSION:
        log_str(line, "end", e->end < ARRAY_LEN(end_names) ? end_names[e->end] : "unknown");
        log_u64(line, "messages", e->messages);
        log_u64(line, "recipients", e->recipients);
        log_u64(line, "refused", e->refused);
        log_u64(line, "commands", e->commands);
        log_u64(line, "bytes_in", e->bytes_in);
        log_u64(line, "bytes_out", e->bytes_out);
        log_seconds(line, "seconds", e->took_us);
        break;
    case SMTP_LOG_ACCEPTED:
        log_u64(line, "recipients", e->recipients);
        log_u64(line, "bytes", e->bytes_in);
        log_seconds(line, "seconds", e->took_us);
        break;
    default:
        break;
    }
}

static void write_event(const struct smtp_log_event *e)
{
    static const char *const names[] = {[SMTP_LOG_SESSION] = "session",
                                        [SMTP_LOG_ACCEPTED] = "accepted",
                                        [SMTP_LOG_REFUSED] = "refused"};
    struct log_line line;

    log_begin_at(&line, e->type < ARRAY_LEN(names) && names[e->type] ? names[e->type] : "unknown",
                 e->wall_us);
    log_id(&line, "session", e->session);
    if (e->message != 0)
        log_id(&line, "message", e->message);
    log_endpoint(&line, "client", &e->client, e->client_port);
    log_endpoint(&line, "local", &e->local, e->local_port);
    put_texts(&line, e);
    if (e->code != 0) {
        log_u64(&line, "code", e->code);
        log_status(&line, "status", e->status);
    }
    put_figures(&line, e);
    log_u64(&line, "policy", e->policy_generation);
    log_end(&line);
}

static struct ip_addr prefix_of(const struct ip_addr *client)
{
    struct ip_addr p = *client;

    if (ip_is_v4(client))
        p.octets[15] = 0;
    else
        memset(p.octets + 8, 0, 8);
    return p;
}

static void gather(struct core_log *log, const struct smtp_log_event *e)
{
    static const uint8_t key[HASH_KEY_BYTES];
    struct gathered want;
    uint64_t h;

    memset(&want, 0, sizeof(want)); /* compared as bytes, padding too */
    want.prefix = prefix_of(&e->client);
    want.code = e->code;
    memcpy(want.status, e->status, sizeof(want.status));
    h = hash_sip(key, span_of(&want, offsetof(struct gathered, count)));
    for (unsigned i = 0; i < 8; i++) {
        struct gathered *g = &log->cells[(h + i) % GATHER_CELLS];

        if (g->count == 0)
            *g = want;
        if (memcmp(g, &want, offsetof(struct gathered, count)) == 0) {
            g->count++;
            return;
        }
    }
    log->other++;
}

void core_log_second(struct core_log *log, uint64_t wall_us, bool now)
{
    struct log_line line;

    if (!now && wall_us / 1000000 == log->second)
        return;
    log->second = wall_us / 1000000;
    log->in_second = 0;
    for (unsigned i = 0; i < GATHER_CELLS; i++) {
        struct gathered *g = &log->cells[i];

        if (g->count == 0)
            continue;
        log_begin(&line, "refused-more");
        log_ip(&line, "prefix", &g->prefix);
        log_u64(&line, "code", g->code);
        log_status(&line, "status", g->status);
        log_u64(&line, "count", g->count);
        log_end(&line);
        memset(g, 0, sizeof(*g));
    }
    if (log->other > 0) {
        log_begin(&line, "refused-more");
        log_u64(&line, "count", log->other);
        log_end(&line);
        log->other = 0;
    }
}

/* A session that brought mail is never gathered away. */
static bool is_refusal(const struct smtp_log_event *e)
{
    return e->type == SMTP_LOG_REFUSED || (e->type == SMTP_LOG_SESSION && e->messages == 0);
}

void core_log_give(struct worker *w)
{
    uint32_t room, lost = (uint32_t)w->log.lost;

    if (w->log.count == 0 && lost == 0)
        return;
    room = ring_room(&w->log_ring);
    if (room >= LOG_ENTRIES / 2 + w->log.count) {
        lost += w->log.count - ring_put(&w->log_ring, w->log.events, w->log.count);
    } else {
        for (uint32_t i = 0; i < w->log.count; i++)
            if (w->log.events[i].type != SMTP_LOG_ACCEPTED ||
                ring_put(&w->log_ring, &w->log.events[i], 1) == 0)
                lost++;
    }
    count_add(&w->counters[CORE_LOG_LOST], lost);
    w->log.count = 0;
    w->log.lost = 0;
}

unsigned core_log_drain(struct core_log *log, struct core *core, struct ring *rings)
{
    static struct smtp_log_event events[CORE_LOG_ROUND];
    unsigned total = 0;

    for (unsigned w = 0; w < core->workers_count; w++) {
        uint32_t n = ring_get(&rings[w], events, CORE_LOG_ROUND);

        for (uint32_t i = 0; i < n; i++) {
            if (is_refusal(&events[i]) && log->in_second >= log->per_second) {
                gather(log, &events[i]);
                continue;
            }
            log->in_second += is_refusal(&events[i]);
            write_event(&events[i]);
        }
        total += n;
    }
    return total;
}

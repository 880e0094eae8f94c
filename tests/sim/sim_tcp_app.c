/* sim_tcp_app.c - the two programs above TCP: they write and check bytes that are a function of
 * connection, direction and position, pause, close and abort by script.
 */
#include "sim_tcp.h"

static uint8_t byte_at(const struct sim *sim, const struct sim_pair *pair, unsigned from, uint64_t at)
{
    uint64_t x = (uint64_t)(pair - sim->pair) * 7919 + from * 104729 + at * 0x9e3779b97f4a7c15ull;

    return (uint8_t)(x >> 32 ^ x >> 11);
}

static uint64_t some_bytes(struct sim *sim)
{
    switch (rand_below(&sim->rand, 8)) {
    case 0:
        return 0;
    case 1:
        return rand_between(&sim->rand, 20000, 300000);
    case 2:
        return rand_between(&sim->rand, 1000, 20000);
    default:
        return rand_between(&sim->rand, 1, 600);
    }
}

void sim_app_plan(struct sim *sim, struct sim_pair *pair)
{
    memset(pair, 0, sizeof(*pair));
    pair->script = (enum sim_script)rand_below(&sim->rand, SIM_SCRIPTS);
    pair->start = rand_below(&sim->rand, 3000000);
    for (unsigned side = 0; side < 2; side++) {
        pair->end[side].to_write = some_bytes(sim);
        pair->end[1 - side].to_read = pair->end[side].to_write;
        pair->end[side].abort_at = UINT64_MAX;
    }
    if (pair->script == SIM_CLIENT_ABORTS || pair->script == SIM_SERVER_ABORTS)
        pair->end[pair->script == SIM_CLIENT_ABORTS].abort_at =
            rand_below(&sim->rand, pair->end[0].to_write + pair->end[0].to_read + 1);
    pair->polite = pair->end[0].to_write > 0 && rand_chance(&sim->rand, 500000);
}

static void read_some(struct sim *sim, unsigned side, struct sim_pair *pair)
{
    struct sim_end *end = &pair->end[side];
    struct tcp *tcp = sim->tcp[side];

    for (;;) {
        struct span s = tcp_peek(tcp, end->conn);
        size_t n;

        if (s.len == 0 || end->wake > sim->now)
            return;
        n = rand_chance(&sim->rand, 300000) ? rand_between(&sim->rand, 1, s.len) : s.len;
        for (size_t i = 0; i < n; i++) {
            if (s.ptr[i] != byte_at(sim, pair, 1 - side, end->read + i)) {
                SIM_FAIL(sim, "pair %u side %u: byte %llu is wrong", (unsigned)(pair - sim->pair),
                         side, (unsigned long long)(end->read + i));
                return;
            }
        }
        end->read += n;
        if (end->read > end->to_read)
            SIM_FAIL(sim, "pair %u side %u: more bytes than were sent",
                     (unsigned)(pair - sim->pair), side);
        tcp_consume(tcp, end->conn, n);
        /* In all less than the other side lingers, or its forgetting us would be right. */
        if (end->paused_us < 10000000 && rand_chance(&sim->rand, sim->pause)) {
            uint64_t us = rand_between(&sim->rand, 1000, 5000000);

            end->paused_us += us;
            end->wake = sim->now + us;
        }
    }
}

static void write_some(struct sim *sim, unsigned side, struct sim_pair *pair)
{
    struct sim_end *end = &pair->end[side];
    uint8_t bytes[4096];

    if (side == 1 && pair->polite && end->read == 0)
        return;
    while (end->written < end->to_write) {
        uint64_t left = end->to_write - end->written;
        size_t n = rand_between(&sim->rand, 1, sizeof(bytes)), took;

        n = n < left ? n : (size_t)left;
        for (size_t i = 0; i < n; i++)
            bytes[i] = byte_at(sim, pair, side, end->written + i);
        took = tcp_write(sim->tcp[side], end->conn, span_of(bytes, n));
        end->written += took;
        if (took < n)
            return;
    }
}

static bool wants_close(const struct sim_pair *pair, unsigned side)
{
    const struct sim_end *end = &pair->end[side];
    bool written = end->written == end->to_write, all = written && end->read == end->to_read;

    switch (pair->script) {
    case SIM_SERVER_CLOSES:
    case SIM_CLIENT_CLOSES:
        return side == (pair->script == SIM_CLIENT_CLOSES) ? all : written && end->eof;
    case SIM_HALF_CLOSE_LATE:
        return side == 1 ? all : all && end->eof;
    case SIM_TALKED_OVER:
        return side == 0 ? written : end->eof;
    default:
        return all || (end->eof && written);
    }
}

void sim_app_drive(struct sim *sim, unsigned side, struct sim_pair *pair)
{
    struct sim_end *end = &pair->end[side];
    struct tcp *tcp = sim->tcp[side];
    struct usec now = {.us = sim->now};

    if (end->conn == NULL || end->gone || sim->failure[0] != '\0')
        return;
    if (!tcp_established(end->conn))
        return;
    end->opened = true;
    if (end->wake != 0 && end->wake <= sim->now)
        end->wake = 0;
    if (!end->closed) {
        read_some(sim, side, pair);
        end->eof = end->eof || tcp_at_eof(end->conn);
        write_some(sim, side, pair);
    }
    if (!end->closed && end->read + end->written >= end->abort_at) {
        end->closed = true;
        tcp_abort(tcp, end->conn, now);
    } else if (!end->closed && wants_close(pair, side)) {
        end->closed = true;
        tcp_close(tcp, end->conn, now);
    }
    tcp_settle(tcp, end->conn, now);
}

void sim_app_gone(struct sim *sim, unsigned side, struct sim_pair *pair, enum tcp_gone why)
{
    struct sim_end *end = &pair->end[side];

    if (end->gone || end->conn == NULL)
        SIM_FAIL(sim, "pair %u side %u: gone twice or before it was there",
                 (unsigned)(pair - sim->pair), side);
    end->gone = true;
    end->why = why;
    end->conn = NULL;
    end->wake = 0;
}

uint64_t sim_app_due(const struct sim *sim)
{
    uint64_t first = UINT64_MAX;

    for (unsigned i = 0; i < sim->pairs; i++) {
        for (unsigned side = 0; side < 2; side++) {
            const struct sim_end *end = &sim->pair[i].end[side];

            if (end->wake != 0 && end->wake < first)
                first = end->wake;
        }
        if (sim->pair[i].end[1].conn == NULL && !sim->pair[i].end[1].gone &&
            sim->pair[i].start < first)
            first = sim->pair[i].start;
    }
    return first;
}

/* Whatever a script promises when nobody gave up. */
void sim_app_check(struct sim *sim)
{
    for (unsigned i = 0; i < sim->pairs && sim->failure[0] == '\0'; i++) {
        const struct sim_pair *pair = &sim->pair[i];
        const struct sim_end *server = &pair->end[0], *client = &pair->end[1];

        if (!client->gone || (server->opened && !server->gone))
            SIM_FAIL(sim, "pair %u: not gone", i);
        if (sim->forgiving || sim->cut_at != UINT64_MAX)
            continue;
        if (pair->script == SIM_CLIENT_ABORTS || pair->script == SIM_SERVER_ABORTS)
            continue;
        if (client->read != client->to_read)
            SIM_FAIL(sim, "pair %u script %d: client read %llu of %llu", i, (int)pair->script,
                     (unsigned long long)client->read, (unsigned long long)client->to_read);
        if (pair->script == SIM_TALKED_OVER)
            continue;
        if (server->read != server->to_read)
            SIM_FAIL(sim, "pair %u script %d: server read %llu of %llu", i, (int)pair->script,
                     (unsigned long long)server->read, (unsigned long long)server->to_read);
        if (server->why != TCP_GONE_CLOSED || client->why != TCP_GONE_CLOSED)
            SIM_FAIL(sim, "pair %u script %d: ended %d/%d, not closed", i, (int)pair->script,
                     (int)server->why, (int)client->why);
    }
}

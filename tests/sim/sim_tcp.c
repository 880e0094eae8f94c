/* sim_tcp.c - two of our TCP cores over a bad wire, by seed.
 *
 * Goal: whatever the wire does, the bytes are exact both ways, every connection ends exactly
 * once and in bounded time, a window once offered is never taken back, and at the end nothing
 * is held.  Usage: sim_tcp [--seed N [--verbose]] [--seeds N]; default: seeds 1 to 200.
 */
#include "sim_tcp.h"

#include "base_must.h"
#include "base_seq.h"

#include <stdlib.h>

#define SIM_END_US (3600ull * 1000000)

static const char *flags_text(uint8_t flags)
{
    static char text[9];
    static const char names[] = "FSRPAUEC";

    for (unsigned i = 0; i < 8; i++)
        text[i] = flags >> i & 1 ? names[i] : '.';
    return text;
}

/* RFC 9293 s3.8.6.2.1: the right edge of the window never goes back. */
static void watch_edge(struct sim *sim, unsigned side, const struct tcp_seg *seg)
{
    uint16_t port = side == 0 ? seg->key.remote_port : seg->key.local_port;
    struct sim_pair *pair = &sim->pair[port - SIM_PORT_FIRST];
    struct sim_end *end = &pair->end[side];
    uint32_t edge;

    if ((seg->flags & TCP_RST) || !(seg->flags & TCP_ACK)) {
        if (seg->flags & TCP_SYN)
            end->scaling = seg->has_wscale, end->wscale = seg->wscale;
        return;
    }
    if (seg->flags & TCP_SYN) {
        end->scaling = seg->has_wscale;
        end->wscale = seg->wscale;
        edge = seg->ack + seg->window;
        end->edge_known = false; /* a new beginning, if only for a SYN that came late */
    } else {
        edge = seg->ack + ((uint32_t)seg->window << (end->scaling ? end->wscale : 0));
    }
    if (end->edge_known && seq_before(edge, end->edge))
        SIM_FAIL(sim, "pair %u side %u: window taken back by %u", (unsigned)(pair - sim->pair), side,
                 end->edge - edge);
    end->edge = edge;
    end->edge_known = true;
}

struct sender {
    struct sim *sim;
    unsigned    side;
};

static bool send_out(void *ctx, const struct tcp_seg *seg, const struct span *text, unsigned pieces)
{
    const struct sender *s = ctx;
    struct sim *sim = s->sim;
    size_t len = 0;

    for (unsigned i = 0; i < pieces; i++)
        len += text[i].len;
    if (sim->verbose)
        printf("# %10.6f %s %u %s seq %u ack %u len %zu win %u sack %u\n", (double)sim->now / 1e6,
               s->side == 0 ? "S>" : "C>",
               (s->side == 0 ? seg->key.remote_port : seg->key.local_port) - SIM_PORT_FIRST,
               flags_text(seg->flags), seg->seq, seg->ack, len, seg->window, seg->sack_count);
    watch_edge(sim, s->side, seg);
    if (rand_chance(&sim->rand, 200))
        return false; /* no frame to be had */
    sim_wire_send(&sim->wire, sim->now, 1 - s->side, seg, text, pieces);
    return true;
}

static struct sim_pair *pair_of(struct sim *sim, unsigned side, const struct tcp_key *key)
{
    unsigned port = (side == 0 ? key->remote_port : key->local_port) - SIM_PORT_FIRST;

    return port < sim->pairs ? &sim->pair[port] : NULL;
}

static void configure(struct sim *sim, unsigned side)
{
    struct tcp_config *c = &sim->config[side];
    static const uint32_t windows[] = {4000, 16384, 65535, 200000};

    *c = (struct tcp_config){
        .connections = 64,
        .embryos = 64,
        .time_waits = (uint32_t)rand_between(&sim->rand, 8, 64),
        .blocks = (uint32_t)rand_between(&sim->rand, 60, 1500),
        .receive_window = windows[rand_below(&sim->rand, ARRAY_LEN(windows))],
        .send_buffer = (uint32_t)rand_between(&sim->rand, 3000, 100000),
        .worker = side,
        .time_wait_us = 60000000,
        .keepalive_us = 300000000,
        .linger_us = 30000000,
        .mss_v4 = (uint16_t)rand_between(&sim->rand, 500, 1460),
        .mss_v6 = 1440,
    };
    rand_fill(&sim->rand, c->secret, sizeof(c->secret));
}

static void plan(struct sim *sim, uint64_t seed)
{
    struct rand *r = &sim->rand;
    static const uint32_t rates[] = {0, 0, 2000, 20000, 50000, 200000};

    sim->seed = seed;
    rand_seed(r, seed, 0);
    sim_wire_init(&sim->wire, seed);
    sim->wire.loss = rates[rand_below(r, ARRAY_LEN(rates))];
    sim->wire.dup = rates[rand_below(r, ARRAY_LEN(rates))];
    sim->wire.reorder = rates[rand_below(r, ARRAY_LEN(rates))];
    sim->wire.delay_us = rand_between(r, 10, 80000);
    sim->wire.jitter_us = rand_chance(r, 500000) ? rand_below(r, sim->wire.delay_us / 2 + 1) : 0;
    sim->wire.reorder_us = rand_between(r, 100, 200000);
    sim->wire.capacity = (uint32_t)rand_between(r, 50, 4000);
    sim->forgiving = sim->wire.loss >= 200000;
    sim->wait_us = rand_chance(r, 500000) ? 0 : rand_between(r, 100000, 5000000);
    sim->pause = rates[rand_below(r, ARRAY_LEN(rates))];
    sim->cut_at = rand_chance(r, 50000) ? rand_below(r, 5000000) : UINT64_MAX;
    sim->now = rand_below(r, 1ull << 40);
    if (sim->cut_at != UINT64_MAX)
        sim->cut_at += sim->now;
    sim->pairs = (unsigned)rand_between(r, 1, SIM_PAIRS_MAX);
    for (unsigned i = 0; i < sim->pairs; i++) {
        sim_app_plan(sim, &sim->pair[i]);
        sim->pair[i].start += sim->now;
    }
}

static void connect_due(struct sim *sim)
{
    struct net_path path = {.port = 1};

    for (unsigned i = 0; i < sim->pairs; i++) {
        struct sim_end *end = &sim->pair[i].end[1];
        struct tcp_key key = {
            .remote = ip_from_v4(0x0a000001),
            .local = ip_from_v4(0x0a000002),
            .remote_port = 25,
            .local_port = (uint16_t)(SIM_PORT_FIRST + i),
        };

        if (end->conn != NULL || end->gone || sim->pair[i].start > sim->now)
            continue;
        end->conn = tcp_connect(sim->tcp[1], &key, &path, (struct usec){.us = sim->now});
        must(end->conn != NULL);
    }
}

static void event(struct sim *sim, unsigned side, const struct tcp_event *ev)
{
    struct tcp *tcp = sim->tcp[side];
    struct sim_pair *pair;

    switch (ev->type) {
    case TCP_EV_READY:
        pair = pair_of(sim, 0, &ev->key);
        if (side != 0 || pair == NULL || ev->tag != 77 || pair->end[0].opened) {
            SIM_FAIL(sim, "a ready embryo that cannot be");
            return;
        }
        pair->early_seen = ev->early;
        pair->end[0].conn = tcp_promote(tcp, ev->embryo, (struct usec){.us = sim->now});
        must(pair->end[0].conn != NULL);
        sim_app_drive(sim, 0, pair);
        return;
    case TCP_EV_CONN:
        if (tcp_at(tcp, tcp_slot(ev->conn)) != ev->conn)
            SIM_FAIL(sim, "event for a connection that is not there");
        pair = pair_of(sim, side, tcp_conn_key(ev->conn));
        sim_app_drive(sim, side, pair);
        return;
    case TCP_EV_GONE:
        for (unsigned i = 0; i < sim->pairs; i++) {
            struct sim_end *end = &sim->pair[i].end[side];

            if (end->conn != NULL && tcp_slot(end->conn) == ev->slot) {
                sim_app_gone(sim, side, &sim->pair[i], ev->why);
                return;
            }
        }
        SIM_FAIL(sim, "side %u: gone, but nobody knows it", side);
    }
}

static void events(struct sim *sim, unsigned side)
{
    struct tcp_event ev;

    while (tcp_next(sim->tcp[side], &ev) && sim->failure[0] == '\0')
        event(sim, side, &ev);
}

static void deliver(struct sim *sim, struct sim_packet *p)
{
    struct usec now = {.us = sim->now};
    struct tcp *tcp = sim->tcp[p->to];
    struct tcp_conn *conn = NULL;

    switch (tcp_input(tcp, &p->seg, now, &conn)) {
    case TCP_IN_SYN:
        if (p->to == 0)
            tcp_syn_accept(tcp, &p->seg, 77, sim->wait_us, 0, now);
        else
            tcp_syn_reset(tcp, &p->seg);
        break;
    case TCP_IN_CONN:
        sim_app_drive(sim, p->to, pair_of(sim, p->to, tcp_conn_key(conn)));
        break;
    case TCP_IN_DONE:
        break;
    }
    events(sim, p->to);
}

static void turn(struct sim *sim)
{
    struct usec now = {.us = sim->now};
    struct sim_packet *p;

    if (sim->now >= sim->cut_at)
        sim->wire.cut = true;
    while (sim->failure[0] == '\0' && (p = sim_wire_take(&sim->wire, sim->now)) != NULL) {
        deliver(sim, p);
        memset(p->text, 0xdd, sizeof(p->text)); /* whoever still borrows it will be found out */
        free(p);
    }
    connect_due(sim);
    for (unsigned side = 0; side < 2; side++) {
        tcp_timers(sim->tcp[side], now, (unsigned)rand_between(&sim->rand, 2, 64));
        events(sim, side);
        for (unsigned i = 0; i < sim->pairs; i++) {
            if (sim->pair[i].end[side].wake != 0 && sim->pair[i].end[side].wake <= sim->now)
                sim_app_drive(sim, side, &sim->pair[i]);
        }
        tcp_flush(sim->tcp[side], now);
        events(sim, side);
    }
}

static bool idle(const struct sim *sim)
{
    for (unsigned side = 0; side < 2; side++) {
        struct tcp_census c = tcp_census(sim->tcp[side]);

        if (c.connections + c.embryos + c.time_waits + c.blocks > 0)
            return false;
    }
    return sim->wire.count == 0 && sim_app_due(sim) == UINT64_MAX;
}

static void run(struct sim *sim)
{
    uint64_t end = sim->now + SIM_END_US;

    while (sim->failure[0] == '\0' && !idle(sim)) {
        uint64_t due[] = {sim_wire_due(&sim->wire), tcp_next_due(sim->tcp[0]).us,
                          tcp_next_due(sim->tcp[1]).us, sim_app_due(sim)};
        uint64_t next = UINT64_MAX;

        turn(sim);
        for (size_t i = 0; i < ARRAY_LEN(due); i++)
            next = due[i] < next ? due[i] : next;
        sim->now = next > sim->now + 50 ? next : sim->now + 50;
        if (sim->now > end) {
            struct tcp_census a = tcp_census(sim->tcp[0]), b = tcp_census(sim->tcp[1]);

            SIM_FAIL(sim, "not over after an hour: %u+%u connections, %u embryos, %u+%u waits, "
                          "%u+%u blocks", a.connections, b.connections, a.embryos, a.time_waits,
                     b.time_waits, a.blocks, b.blocks);
        }
    }
    sim_app_check(sim);
}

static bool one(uint64_t seed, bool verbose)
{
    struct sim *sim = calloc(1, sizeof(*sim));
    struct sender sender[2];
    bool ok;

    must(sim != NULL);
    sim->verbose = verbose;
    plan(sim, seed);
    for (unsigned side = 0; side < 2; side++) {
        size_t bytes;
        struct tcp_out out = {.ctx = &sender[side], .send = send_out};

        configure(sim, side);
        sender[side] = (struct sender){.sim = sim, .side = side};
        bytes = tcp_bytes(&sim->config[side]);
        sim->memory[side] = aligned_alloc(64, (bytes + 63) / 64 * 64);
        must(sim->memory[side] != NULL);
        memset(sim->memory[side], 0, bytes);
        sim->tcp[side] = tcp_init(sim->memory[side], &sim->config[side], &out, sim->counters[side]);
    }
    run(sim);
    ok = sim->failure[0] == '\0';
    if (verbose || !ok) {
        static const char *const names[] = {
#define COUNTER(id, metric, help) metric,
#include "tcp_counters.def"
#undef COUNTER
        };

        printf("# seed %llu: %u pairs, loss %u dup %u reorder %u, %llu sent, %llu lost\n",
               (unsigned long long)seed, sim->pairs, sim->wire.loss, sim->wire.dup,
               sim->wire.reorder, (unsigned long long)sim->wire.sent,
               (unsigned long long)sim->wire.lost);
        for (unsigned i = 0; i < TCP_COUNTERS; i++)
            printf("# %-48s %8llu %8llu\n", names[i],
                   (unsigned long long)count_get(&sim->counters[0][i]),
                   (unsigned long long)count_get(&sim->counters[1][i]));
        if (!ok)
            printf("# seed %llu: %s\n# replay: sim_tcp --seed %llu --verbose\n",
                   (unsigned long long)seed, sim->failure, (unsigned long long)seed);
    }
    free(sim->memory[0]);
    free(sim->memory[1]);
    sim_wire_done(&sim->wire);
    free(sim);
    return ok;
}

int main(int argc, char **argv)
{
    uint64_t first = 1, seeds = 200;
    bool verbose = false, failed = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0)
            verbose = true;
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            first = strtoull(argv[++i], NULL, 10), seeds = 1;
        else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc)
            seeds = strtoull(argv[++i], NULL, 10);
        else
            return fprintf(stderr, "usage: sim_tcp [--seed N [--verbose]] [--seeds N]\n"), 2;
    }
    printf("1..%llu\n", (unsigned long long)seeds);
    for (uint64_t s = first; s < first + seeds; s++) {
        bool ok = one(s, verbose);

        failed = failed || !ok;
        printf("%sok %llu - seed %llu\n", ok ? "" : "not ", (unsigned long long)(s - first + 1),
               (unsigned long long)s);
    }
    return failed;
}

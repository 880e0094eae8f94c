/* fuzz_tcp.c - any sequence of segments, calls and pauses against one TCP core.
 *
 * The input is a list of steps; segments are built around what the core last said to that
 * peer, so that most of them land near its windows.  Bytes are a function of their sequence
 * number: what is read must be what stands there, whatever overlapped.  After every step the
 * bounds hold; at the end everything is closed and given time, and nothing may be left.
 */
#include "base_must.h"
#include "base_seq.h"
#include "tcp.h"

#include <stdlib.h>

#define PEERS 5
#define CONNECTIONS 4
#define EMBRYOS 3
#define WAITS 2
#define BLOCKS 24
#define WINDOW 9000

struct peer {
    uint32_t nxt, una; /* what it would send next; what we last sent up to */
    bool     has_edge, has_ts;
    uint32_t edge, ts;
    uint8_t  wscale;
};

struct world {
    struct tcp  *tcp;
    uint64_t     now;
    uint8_t      sum;
    struct peer  peer[PEERS];
    struct count counters[TCP_COUNTERS];
    bool         promoted[CONNECTIONS];
    uint32_t     reading[CONNECTIONS]; /* sequence number of the next byte read */
    bool         reading_known[CONNECTIONS];
    const uint8_t *in;
    size_t       left;
};

static uint8_t byte_of(uint32_t seq)
{
    return (uint8_t)(seq * 2654435761u >> 24);
}

static uint8_t take(struct world *w)
{
    if (w->left == 0)
        return 0;
    w->left--;
    return *w->in++;
}

static bool send_out(void *ctx, const struct tcp_seg *seg, const struct span *text, unsigned pieces)
{
    struct world *w = ctx;
    unsigned p = seg->key.remote_port - 1000u;
    size_t len = 0;

    must(p < PEERS && seg->sack_count <= TCP_SACK_BLOCKS_MAX);
    for (unsigned i = 0; i < pieces; i++) {
        for (size_t j = 0; j < text[i].len; j++)
            w->sum ^= text[i].ptr[j]; /* every byte can be read */
        len += text[i].len;
    }
    must(len <= 1460);
    for (unsigned i = 0; i < seg->sack_count; i++)
        must(seq_before(seg->sack[i].left, seg->sack[i].right));
    if (seg->flags & TCP_RST)
        return true;
    w->peer[p].una = seg->seq + (uint32_t)len + (seg->flags & TCP_SYN ? 1 : 0) + (seg->flags & TCP_FIN ? 1 : 0);
    if (seg->has_timestamps)
        w->peer[p].ts = seg->ts_val;
    if (seg->flags & TCP_SYN) {
        w->peer[p].wscale = seg->has_wscale ? seg->wscale : 0;
        w->peer[p].has_edge = false;
    }
    if (seg->flags & TCP_ACK) {
        uint32_t shift = seg->flags & TCP_SYN ? 0 : w->peer[p].wscale;
        uint32_t edge = seg->ack + ((uint32_t)seg->window << shift);

        must(!w->peer[p].has_edge || !seq_before(edge, w->peer[p].edge));
        w->peer[p].edge = edge;
        w->peer[p].has_edge = true;
        w->peer[p].nxt = seg->ack;
    }
    return (w->now & 63) != 63;
}

static void read_from(struct world *w, struct tcp_conn *c, unsigned most)
{
    uint32_t slot = tcp_slot(c);

    while (most > 0) {
        struct span s = tcp_peek(w->tcp, c);
        size_t n = s.len < most ? s.len : most;

        if (n == 0)
            break;
        if (!w->reading_known[slot])
            break;
        for (size_t i = 0; i < n; i++)
            must(s.ptr[i] == byte_of(w->reading[slot] + (uint32_t)i));
        w->reading[slot] += (uint32_t)n;
        tcp_consume(w->tcp, c, n);
        most -= (unsigned)n;
    }
    (void)tcp_at_eof(c);
    tcp_settle(w->tcp, c, (struct usec){.us = w->now});
}

static void events(struct world *w, uint8_t how)
{
    struct tcp_event ev;

    while (tcp_next(w->tcp, &ev)) {
        struct tcp_conn *c;

        switch (ev.type) {
        case TCP_EV_READY:
            c = how & 1 ? NULL : tcp_promote(w->tcp, ev.embryo, (struct usec){.us = w->now});
            if (c == NULL) {
                if (!(how & 2))
                    tcp_embryo_reset(w->tcp, ev.embryo);
                break;
            }
            must(!w->promoted[tcp_slot(c)]);
            w->promoted[tcp_slot(c)] = true;
            w->reading[tcp_slot(c)] = w->peer[ev.key.remote_port - 1000].nxt;
            w->reading_known[tcp_slot(c)] = true;
            break;
        case TCP_EV_CONN:
            must(tcp_at(w->tcp, tcp_slot(ev.conn)) == ev.conn);
            if (!w->reading_known[tcp_slot(ev.conn)] && tcp_established(ev.conn)) {
                /* opened by us: nothing was read yet, the peer's next byte is what we expect */
                read_from(w, ev.conn, 0);
            }
            break;
        case TCP_EV_GONE:
            must(ev.slot < CONNECTIONS && w->promoted[ev.slot]);
            w->promoted[ev.slot] = false;
            break;
        }
    }
}

static struct tcp_key key_of(unsigned peer)
{
    return (struct tcp_key){
        .remote = ip_from_v4(0xc0000201),
        .local = ip_from_v4(0xc0000202),
        .remote_port = (uint16_t)(1000 + peer),
        .local_port = 25,
    };
}

/* Offsets that matter: at the edge, one off, a block, a segment, a window, half the space. */
static uint32_t offset(uint8_t code, uint8_t fine)
{
    static const uint32_t steps[] = {0, 1, 1000, 1460, 2000, WINDOW - 1, WINDOW, WINDOW + 1, 0x40000000, 0x80000000};
    uint32_t step = steps[(code & 15) % ARRAY_LEN(steps)] + fine;

    return code & 16 ? 0u - step : step;
}

static void segment(struct world *w)
{
    static uint8_t text[3000];
    uint8_t who = take(w), flags = take(w), shape = take(w), fine = take(w), options = take(w), how = take(w);
    struct peer *p = &w->peer[who % PEERS];
    struct tcp_seg seg = {
        .key = key_of(who % PEERS),
        .seq = p->nxt + (shape & 1 ? offset(take(w), take(w)) : 0),
        .ack = p->una + (shape & 2 ? offset(take(w), take(w)) : 0),
        .window = (uint16_t)(shape & 4 ? fine * (shape & 8 ? 257 : 1) : 20000),
        .flags = flags,
        .has_mss = options & 1,
        .mss = (uint16_t)(fine * 23),
        .has_wscale = options & 2,
        .wscale = fine & 31,
        .has_sack_permitted = options & 4,
        .has_timestamps = options & 8,
        .ts_val = (uint32_t)(w->now >> 10) - (options & 16 ? 5000 : 0),
        .ts_ecr = options & 32 ? fine : p->ts,
    };
    size_t len = shape & 16 ? (size_t)fine * 11 : shape & 32 ? 1 : 0;
    struct tcp_conn *c = NULL;
    uint32_t first = seg.seq + (flags & TCP_SYN ? 1 : 0);

    if ((options & 64) && !(flags & TCP_SYN)) {
        seg.sack_count = (how & 3) + 1;
        for (unsigned i = 0; i < seg.sack_count; i++) {
            seg.sack[i].left = seg.ack + offset(take(w), take(w));
            seg.sack[i].right = seg.sack[i].left + take(w) * 16u;
        }
    }
    for (size_t i = 0; i < len; i++)
        text[i] = byte_of(first + (uint32_t)i);
    seg.text = span_of(text, len);
    switch (tcp_input(w->tcp, &seg, (struct usec){.us = w->now}, &c)) {
    case TCP_IN_SYN:
        if (how & 64)
            tcp_syn_reset(w->tcp, &seg);
        else
            tcp_syn_accept(w->tcp, &seg, 7, how & 4 ? 1000000 : 0, how & 8 ? 3000000 : 0, (struct usec){.us = w->now});
        break;
    case TCP_IN_CONN:
        read_from(w, c, how & 16 ? (how & 32 ? 100 : 0) : UINT16_MAX);
        break;
    case TCP_IN_DONE:
        break;
    }
    events(w, how & 128 ? how >> 4 & 3 : 0);
    memset(text, 0xee, sizeof(text));
}

static void call(struct world *w, uint8_t what)
{
    static const uint8_t reply[4000] = "250 ok\r\n";
    struct usec now = {.us = w->now};
    uint8_t arg = take(w);
    struct tcp_conn *c = tcp_at(w->tcp, arg % CONNECTIONS);
    struct tcp_key key = key_of(arg % PEERS);
    struct net_path path = {.port = 0};

    switch (what & 7) {
    case 0:
        if (c != NULL)
            tcp_write(w->tcp, c, span_of(reply, (size_t)take(w) * 15));
        break;
    case 1:
        if (c != NULL)
            tcp_close(w->tcp, c, now);
        break;
    case 2:
        if (c != NULL && take(w) > 200)
            tcp_abort(w->tcp, c, now);
        break;
    case 3:
        if (c != NULL)
            read_from(w, c, arg * 16u);
        break;
    case 4:
        tcp_icmp(w->tcp, &key, w->peer[arg % PEERS].una - take(w), (uint16_t)(take(w) * 8), arg & 64, now);
        break;
    case 5:
        c = tcp_connect(w->tcp, &key, &path, now);
        if (c != NULL) {
            must(!w->promoted[tcp_slot(c)]);
            w->promoted[tcp_slot(c)] = true;
            w->reading_known[tcp_slot(c)] = false;
        }
        break;
    default:
        tcp_flush(w->tcp, now);
        break;
    }
    events(w, 0);
}

static void bounds(const struct world *w)
{
    struct tcp_census c = tcp_census(w->tcp);

    must(c.connections <= CONNECTIONS && c.embryos <= EMBRYOS && c.time_waits <= WAITS && c.blocks <= BLOCKS);
}

static void turn(struct world *w)
{
    struct usec now = {.us = w->now};

    tcp_timers(w->tcp, now, 8);
    events(w, 0);
    tcp_flush(w->tcp, now);
    events(w, 0);
    bounds(w);
}

static void end(struct world *w)
{
    for (uint32_t slot = 0; slot < CONNECTIONS; slot++) {
        struct tcp_conn *c = tcp_at(w->tcp, slot);

        if (c != NULL)
            tcp_close(w->tcp, c, (struct usec){.us = w->now});
    }
    for (unsigned i = 0; i < 20000; i++) {
        struct tcp_census c = tcp_census(w->tcp);
        uint64_t due = tcp_next_due(w->tcp).us;

        turn(w);
        if (c.connections + c.embryos + c.time_waits + c.blocks == 0)
            return;
        must(due != UINT64_MAX);
        w->now = due > w->now + 100 ? due : w->now + 100;
    }
    must_fail(__FILE__, __LINE__, "everything ends");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(64) uint8_t memory[256 * 1024];
    static struct world world;
    struct tcp_config config = {
        .connections = CONNECTIONS, .embryos = EMBRYOS, .time_waits = WAITS, .blocks = BLOCKS,
        .receive_window = WINDOW, .send_buffer = 12000, .time_wait_us = 60000000,
        .keepalive_us = 600000000, .linger_us = 5000000, .mss_v4 = 1460, .mss_v6 = 1440,
        .secret = "thirty-two bytes of nothing much",
    };
    struct world *w = &world;
    struct tcp_out out = {.ctx = w, .send = send_out};

    memset(w, 0, sizeof(*w));
    w->in = data;
    w->left = size < 4096 ? size : 4096;
    w->now = 1000000;
    must(tcp_bytes(&config) <= sizeof(memory));
    memset(memory, 0, tcp_bytes(&config));
    w->tcp = tcp_init(memory, &config, &out, w->counters);
    while (w->left > 0) {
        uint8_t step = take(w);

        if (step < 170)
            segment(w);
        else if (step < 220)
            call(w, step);
        else
            w->now += 1ull << (step & 31 & (step < 240 ? 19 : 27));
        if (step & 1)
            turn(w);
        bounds(w);
    }
    end(w);
    return 0;
}

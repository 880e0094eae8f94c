/* tcp_peer.h - a scripted peer for one TCP core: what was sent is kept, what arrives is written
 * out, and time is a number.
 *
 * The peer's numbers: it starts at PEER_ISS; our initial number is whatever our SYN-ACK said.
 */
#ifndef TCP_PEER_H
#define TCP_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tcp_core.h"

#define PEER_ISS 1000000u
#define PEER_SENT_MAX 128

struct peer_sent {
    struct tcp_seg seg;
    uint8_t        text[1500];
    size_t         len;
};

struct peer {
    struct tcp       *tcp;
    struct tcp_config config;
    struct count      counters[TCP_COUNTERS];
    void             *memory;
    uint64_t          now;
    bool              no_frames;
    struct peer_sent *sent;
    unsigned          count; /* sent and not yet looked at */
    unsigned          looked;
    struct tcp_key    key;
    uint32_t          iss;   /* ours, as our SYN said */
    struct tcp_conn  *conn;
    bool              timestamps;
    uint32_t          ts;    /* the peer's clock */
    uint16_t          window;
    unsigned          gone;
    enum tcp_gone     why;
    uint8_t           got[100000]; /* what the session read */
    size_t            got_len;
};

static inline struct usec peer_now(const struct peer *p)
{
    return (struct usec){.us = p->now};
}

static inline bool peer_out(void *ctx, const struct tcp_seg *seg, const struct span *text, unsigned pieces)
{
    struct peer *p = ctx;
    struct peer_sent *s;

    if (p->no_frames)
        return false;
    assert_true(p->count < PEER_SENT_MAX);
    s = &p->sent[p->count++];
    s->seg = *seg;
    s->len = 0;
    for (unsigned i = 0; i < pieces; i++) {
        assert_true(s->len + text[i].len <= sizeof(s->text));
        memcpy(s->text + s->len, text[i].ptr, text[i].len);
        s->len += text[i].len;
    }
    return true;
}

static inline struct tcp_config peer_config(void)
{
    return (struct tcp_config){
        .connections = 8,
        .embryos = 8,
        .time_waits = 4,
        .blocks = 64,
        .receive_window = 32768,
        .send_buffer = 65536,
        .time_wait_us = 60000000,
        .linger_us = 10000000,
        .mss_v4 = 1460,
        .mss_v6 = 1440,
        .secret = "a secret of thirty-two bytes, ok",
    };
}

static inline struct peer *peer_new(const struct tcp_config *config)
{
    struct peer *p = calloc(1, sizeof(*p));
    struct tcp_out out = {.ctx = p, .send = peer_out};
    size_t bytes;

    assert_non_null(p);
    p->config = config != NULL ? *config : peer_config();
    p->sent = calloc(PEER_SENT_MAX, sizeof(*p->sent));
    bytes = (tcp_bytes(&p->config) + 63) / 64 * 64;
    p->memory = aligned_alloc(64, bytes);
    assert_true(p->sent != NULL && p->memory != NULL);
    memset(p->memory, 0, bytes);
    p->now = 5000000000;
    p->window = 65535;
    p->key = (struct tcp_key){
        .remote = ip_from_v4(0xc0000201),
        .local = ip_from_v4(0xc0000219),
        .remote_port = 40000,
        .local_port = 25,
    };
    p->tcp = tcp_init(p->memory, &p->config, &out, p->counters);
    return p;
}

static inline void peer_free(struct peer *p)
{
    free(p->memory);
    free(p->sent);
    free(p);
}

static inline uint64_t peer_counter(const struct peer *p, enum tcp_counter what)
{
    return count_get(&p->counters[what]);
}

/* The next segment sent and not looked at, or NULL. */
static inline struct peer_sent *peer_next(struct peer *p)
{
    if (p->looked == p->count) {
        p->looked = p->count = 0;
        return NULL;
    }
    return &p->sent[p->looked++];
}

#define peer_quiet(p) assert_null(peer_next(p))

/* Expects a segment with these flags and this much text; numbers relative to the two starts
 * (SYNs are 0). */
static inline struct peer_sent *peer_expect_at(struct peer *p, int line, uint8_t flags, uint32_t seq,
                                               uint32_t ack, size_t len)
{
    struct peer_sent *s = peer_next(p);

    if (s == NULL)
        fail_msg("line %d: nothing was sent", line);
    if (s->seg.flags != flags || s->len != len || s->seg.seq != p->iss + seq ||
        ((flags & TCP_ACK) && s->seg.ack != PEER_ISS + ack))
        fail_msg("line %d: sent flags %#x seq %u ack %u len %zu, wanted %#x %u %u %zu", line, s->seg.flags,
                 s->seg.seq - p->iss, s->seg.ack - PEER_ISS, s->len, flags, seq, ack, len);
    return s;
}
#define peer_expect(p, flags, seq, ack, len) peer_expect_at(p, __LINE__, flags, seq, ack, len)

/* A segment from the peer, numbers relative to the starts. */
static inline struct tcp_seg peer_seg(const struct peer *p, uint8_t flags, uint32_t seq, uint32_t ack,
                                      const void *text, size_t len)
{
    return (struct tcp_seg){
        .key = p->key,
        .path = {.mac = {2, 0, 0, 0, 0, 9}, .vlan = 5, .port = 1},
        .seq = PEER_ISS + seq,
        .ack = flags & TCP_ACK ? p->iss + ack : 0,
        .window = p->window,
        .flags = flags,
        .has_timestamps = p->timestamps,
        .ts_val = p->ts,
        .text = span_of(text, len),
    };
}

static inline enum tcp_in peer_put(struct peer *p, const struct tcp_seg *seg)
{
    struct tcp_conn *conn = NULL;
    enum tcp_in in = tcp_input(p->tcp, seg, peer_now(p), &conn);

    if (in == TCP_IN_CONN && p->conn != NULL)
        assert_ptr_equal(conn, p->conn);
    return in;
}

static inline enum tcp_in peer_input(struct peer *p, uint8_t flags, uint32_t seq, uint32_t ack,
                                     const void *text, size_t len)
{
    struct tcp_seg seg = peer_seg(p, flags, seq, ack, text, len);

    return peer_put(p, &seg);
}

/* The session reads everything there is. */
static inline size_t peer_read(struct peer *p)
{
    size_t n = 0;

    for (;;) {
        struct span s = tcp_peek(p->tcp, p->conn);

        if (s.len == 0)
            break;
        assert_true(p->got_len + s.len <= sizeof(p->got));
        memcpy(p->got + p->got_len, s.ptr, s.len);
        p->got_len += s.len;
        n += s.len;
        tcp_consume(p->tcp, p->conn, s.len);
    }
    tcp_settle(p->tcp, p->conn, peer_now(p));
    return n;
}

static inline void peer_flush(struct peer *p)
{
    tcp_flush(p->tcp, peer_now(p));
}

/* Goes on by so much, running timers as a poll core would. */
static inline void peer_wait(struct peer *p, uint64_t us)
{
    uint64_t end = p->now + us;

    while (p->now < end) {
        uint64_t due = tcp_next_due(p->tcp).us;

        p->now = due > p->now + 500 ? due : p->now + 500;
        p->now = p->now < end ? p->now : end;
        tcp_timers(p->tcp, peer_now(p), 64);
        peer_flush(p);
    }
}

/* Fetches events; the only one of its type or none. */
static inline bool peer_event(struct peer *p, enum tcp_event_type type, struct tcp_event *ret)
{
    if (!tcp_next(p->tcp, ret))
        return false;
    assert_int_equal(ret->type, type);
    if (type == TCP_EV_GONE) {
        p->gone++;
        p->why = ret->why;
    }
    return true;
}

/* The connection has ended for this reason, and that was its last word. */
static inline void peer_expect_gone(struct peer *p, enum tcp_gone why)
{
    struct tcp_event ev;

    assert_true(peer_event(p, TCP_EV_GONE, &ev));
    assert_int_equal(ev.why, why);
    assert_int_equal(ev.slot, tcp_slot(p->conn));
    assert_null(tcp_at(p->tcp, ev.slot));
    assert_false(tcp_next(p->tcp, &ev));
    peer_flush(p);
    assert_int_equal(tcp_census(p->tcp).connections, 0);
    assert_int_equal(tcp_census(p->tcp).blocks, 0);
}

static inline struct tcp_seg peer_syn_seg(const struct peer *p)
{
    struct tcp_seg seg = peer_seg(p, TCP_SYN, 0, 0, NULL, 0);

    seg.has_mss = true;
    seg.mss = 1460;
    seg.has_sack_permitted = true;
    seg.has_wscale = true;
    seg.wscale = 0;
    return seg;
}

/* SYN in, accepted, SYN-ACK out and looked at. */
static inline struct peer_sent *peer_syn(struct peer *p, uint64_t wait_us, uint64_t hold_us,
                                         const struct tcp_seg *syn)
{
    struct tcp_seg plain = peer_syn_seg(p);
    const struct tcp_seg *seg = syn != NULL ? syn : &plain;
    struct peer_sent *s;

    assert_int_equal(peer_put(p, seg), TCP_IN_SYN);
    assert_true(tcp_syn_accept(p->tcp, seg, 42, wait_us, hold_us, peer_now(p)));
    s = peer_next(p);
    assert_non_null(s);
    p->iss = s->seg.seq;
    assert_int_equal(s->seg.flags, TCP_SYN | TCP_ACK);
    assert_int_equal(s->seg.ack, PEER_ISS + 1);
    return s;
}

/* … and all the way to a connection, from this SYN. */
static inline void peer_open_syn(struct peer *p, const struct tcp_seg *syn)
{
    struct tcp_event ev;

    peer_syn(p, 0, 0, syn);
    p->now += 1000;
    assert_int_equal(peer_input(p, TCP_ACK, 1, 1, NULL, 0), TCP_IN_DONE);
    assert_true(peer_event(p, TCP_EV_READY, &ev));
    assert_int_equal(ev.tag, 42);
    p->conn = tcp_promote(p->tcp, ev.embryo, peer_now(p));
    assert_non_null(p->conn);
    assert_true(tcp_established(p->conn));
    peer_quiet(p);
}

static inline void peer_open(struct peer *p)
{
    peer_open_syn(p, NULL);
}

static inline void peer_open_plain(struct peer *p) /* no options at all */
{
    struct tcp_seg syn = peer_seg(p, TCP_SYN, 0, 0, NULL, 0);

    syn.has_mss = true;
    syn.mss = 1460;
    peer_open_syn(p, &syn);
}

static inline void peer_open_timestamps(struct peer *p)
{
    struct tcp_seg syn;

    p->timestamps = true;
    p->ts = 7000;
    syn = peer_syn_seg(p);
    peer_open_syn(p, &syn);
}

/* Writes n bytes of a pattern and lets them leave. */
static inline void peer_write(struct peer *p, size_t n)
{
    uint8_t bytes[70000];

    assert_true(n <= sizeof(bytes));
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 251);
    assert_int_equal(tcp_write(p->tcp, p->conn, span_of(bytes, n)), n);
    peer_flush(p);
}

#endif

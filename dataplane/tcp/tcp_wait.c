/* tcp_wait.c - TIME-WAIT (RFC 9293 s3.6.1, s3.10.7.4) in 32 bytes a record.
 *
 * A ring in order of arrival, so of expiry; full, the oldest goes (the least likely to be
 * needed) and is counted.  A reset kills nothing (RFC 1337 fix 1); a new SYN that is provably
 * newer takes the tuple over (RFC 6191).
 */
#include "tcp_core.h"

static struct tcp_wait *ring_at(struct tcp *tcp, uint64_t position)
{
    return &tcp->waits[position % tcp->config.time_waits];
}

void tcp_wait_drop(struct tcp *tcp, struct tcp_wait *w)
{
    tcp_wait_unlink(tcp, w);
    w->flags = 0; /* its place in the ring comes free when it is the oldest */
}

static void pop(struct tcp *tcp)
{
    struct tcp_wait *w = ring_at(tcp, tcp->wait_tail++);

    if (w->flags & W_LIVE)
        tcp_wait_drop(tcp, w);
}

static void push(struct tcp *tcp, const struct tcp_wait *record)
{
    struct tcp_wait *w;

    if (tcp->config.time_waits == 0) {
        tcp_count(tcp, TCP_COUNT_TIME_WAIT_EVICTED);
        return;
    }
    if (tcp->wait_head - tcp->wait_tail == tcp->config.time_waits) {
        if (ring_at(tcp, tcp->wait_tail)->flags & W_LIVE)
            tcp_count(tcp, TCP_COUNT_TIME_WAIT_EVICTED);
        pop(tcp);
    }
    w = ring_at(tcp, tcp->wait_head++);
    *w = *record;
    w->since = tcp_tick(tcp);
    tcp_wait_link(tcp, w);
}

void tcp_wait_enter(struct tcp *tcp, struct tcp_conn *c)
{
    struct tcp_wait record = {
        .hash = tcp_hash(tcp, &c->key),
        .rcv_nxt = c->rcv_nxt,
        .snd_nxt = c->snd_nxt,
        .ts_recent = c->ts_recent,
        .flags = (uint16_t)(W_LIVE | (c->flags & C_TIMESTAMPS ? W_TIMESTAMPS : 0)),
        .remote_port = c->key.remote_port,
    };

    if (c->rcv_nxt != c->rcv_acked)
        tcp_output_ack(tcp, c); /* of the FIN that brought us here: a record owes nothing */
    tcp_count(tcp, TCP_COUNT_TIME_WAITS);
    tcp_gone(tcp, c, TCP_GONE_CLOSED);
    push(tcp, &record);
}

static void ack(struct tcp *tcp, const struct tcp_wait *w, const struct tcp_seg *seg)
{
    struct tcp_seg out = {
        .key = seg->key,
        .path = seg->path,
        .seq = w->snd_nxt,
        .ack = w->rcv_nxt,
        .flags = TCP_ACK,
        .window = UINT16_MAX,
    };

    if (w->flags & W_TIMESTAMPS) {
        out.has_timestamps = true;
        out.ts_val = tcp_tick(tcp) + tcp_ts_offset(tcp, &seg->key);
        out.ts_ecr = w->ts_recent;
    }
    tcp_emit(tcp, &out, NULL, 0);
}

static void challenge(struct tcp *tcp, const struct tcp_wait *w, const struct tcp_seg *seg)
{
    if (!tcp_valve_take(tcp, &tcp->challenges, TCP_CHALLENGES_PER_SECOND)) {
        tcp_count(tcp, TCP_COUNT_CHALLENGE_HELD);
        return;
    }
    ack(tcp, w, seg);
}

/* RFC 6191 s2, and RFC 9293 s3.6.1: our own number must lie beyond the old connection's too. */
static bool may_reuse(const struct tcp *tcp, const struct tcp_wait *w, const struct tcp_seg *syn)
{
    uint32_t iss = tcp_isn(tcp, &syn->key, (uint32_t)(tcp->now.us >> 2));

    if (!seq_before(w->snd_nxt, iss))
        return false;
    if ((w->flags & W_TIMESTAMPS) && syn->has_timestamps && syn->ts_val != w->ts_recent)
        return seq_before(w->ts_recent, syn->ts_val);
    return seq_before(w->rcv_nxt, syn->seq);
}

enum tcp_in tcp_wait_input(struct tcp *tcp, struct tcp_wait *w, const struct tcp_seg *seg)
{
    if (seg->flags & TCP_RST) {
        tcp_count(tcp, TCP_COUNT_TIME_WAIT_RST);
        return TCP_IN_DONE;
    }
    if ((seg->flags & (TCP_SYN | TCP_ACK | TCP_FIN)) == TCP_SYN && may_reuse(tcp, w, seg))
        return TCP_IN_SYN; /* the record goes when tcp_syn_accept() takes the tuple */
    if ((seg->flags & (TCP_SYN | TCP_FIN)) == TCP_FIN &&
        seg->seq + (uint32_t)seg->text.len + 1 == w->rcv_nxt) {
        struct tcp_wait again = *w; /* the FIN once more: our ACK was lost, 2 MSL start anew */

        ack(tcp, w, seg);
        tcp_wait_drop(tcp, w);
        push(tcp, &again);
        return TCP_IN_DONE;
    }
    /* A late duplicate or a probe.  An ACK of nothing new needs no answer: two ends in
     * TIME-WAIT would talk for ever. */
    if ((seg->flags & (TCP_SYN | TCP_FIN)) || seg->text.len > 0 || seg->seq != w->rcv_nxt)
        challenge(tcp, w, seg);
    return TCP_IN_DONE;
}

uint32_t tcp_wait_timers(struct tcp *tcp, uint32_t budget)
{
    uint32_t done = 0, wait = TCP_TICKS(tcp->config.time_wait_us);

    while (tcp->wait_tail != tcp->wait_head && done < budget) {
        struct tcp_wait *w = ring_at(tcp, tcp->wait_tail);

        if ((w->flags & W_LIVE) && tcp_age(tcp, w->since) < wait)
            break;
        pop(tcp);
        done++;
    }
    return done;
}

struct usec tcp_wait_due(const struct tcp *tcp)
{
    const struct tcp_wait *w;
    uint32_t age, wait = TCP_TICKS(tcp->config.time_wait_us);

    if (tcp->wait_tail == tcp->wait_head)
        return (struct usec){.us = UINT64_MAX};
    w = &tcp->waits[tcp->wait_tail % tcp->config.time_waits];
    if (!(w->flags & W_LIVE))
        return tcp->now;
    age = tcp_age(tcp, w->since);
    return (struct usec){.us = ((tcp->now.us >> TCP_TICK_SHIFT) + (age < wait ? wait - age : 0))
                               << TCP_TICK_SHIFT};
}

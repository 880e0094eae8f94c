/* tcp_ack.c - what an acknowledgement tells: round trips (RFC 6298, Karn; RFC 7323 s4), the
 * peer's window, and loss (RFC 5681 s3.2, RFC 6582, RFC 6675 in its essentials).
 *
 * Loss is one idea for SACK and NewReno: below a "lost edge" everything that is neither
 * selectively acknowledged nor sent again (below snd_rtx) has left the network; the rest is the
 * pipe, and segments go out while the pipe is smaller than cwnd.
 */
#include "tcp_core.h"

/* BREAKS RFC 6298 s2.4: the least RTO is the smoothed round trip + 200 ms instead of 1 s, as
 * Linux does; a lost reply of a few bytes has no later segment that would show its loss sooner. */
static void rto_update(struct tcp_conn *c)
{
    uint32_t spread = c->rttvar_us4 > TCP_RTO_MIN_US ? c->rttvar_us4 : TCP_RTO_MIN_US;
    uint32_t rto = (c->srtt_us8 >> 3) + spread;

    c->rto_us = rto < TCP_RTO_MAX_US ? rto : TCP_RTO_MAX_US;
}

void tcp_rtt_sample(struct tcp_conn *c, uint32_t rtt_us)
{
    uint32_t r = rtt_us == 0 ? 1 : rtt_us < TCP_RTO_MAX_US ? rtt_us : TCP_RTO_MAX_US;

    if (c->srtt_us8 == 0) {
        c->srtt_us8 = r << 3;
        c->rttvar_us4 = r << 1;
    } else {
        uint32_t srtt = c->srtt_us8 >> 3, error = srtt > r ? srtt - r : r - srtt;

        c->rttvar_us4 += error - (c->rttvar_us4 >> 2);
        c->srtt_us8 += r - srtt;
    }
    rto_update(c);
}

static void rtt_from_ack(struct tcp *tcp, struct tcp_conn *c, const struct tcp_seg *seg)
{
    if ((c->flags & C_RTT) && seq_at_or_before(c->rtt_seq, c->snd_una)) {
        c->flags &= ~(uint32_t)C_RTT;
        tcp_rtt_sample(c, (uint32_t)tcp->now.us - c->rtt_at_us);
    } else if (!(c->flags & C_RTT) && (c->flags & C_TIMESTAMPS) && seg->has_timestamps) {
        uint32_t ticks = tcp_tick(tcp) + c->ts_offset - seg->ts_ecr;

        if (ticks < TCP_TICKS(TCP_RTO_MAX_US)) /* else an echo of what we never sent */
            tcp_rtt_sample(c, ticks << TCP_TICK_SHIFT);
    }
}

static uint32_t backed_off(const struct tcp_conn *c)
{
    uint64_t rto = (uint64_t)c->rto_us << (c->retries < 16 ? c->retries : 16);

    return rto < TCP_RTO_MAX_US ? (uint32_t)rto : TCP_RTO_MAX_US;
}

static uint32_t lost_edge(const struct tcp *tcp, const struct tcp_conn *c)
{
    uint32_t edge = c->snd_una + tcp_effective_mss(c);

    if (c->loss == TCP_LOSS_OPEN)
        return c->snd_una;
    if (c->loss == TCP_LOSS_TIMEOUT)
        edge = c->recover;
    else if (c->flags & C_SACK)
        edge = seq_max(edge, tcp_sack_lost_edge(tcp, c));
    return seq_before(c->snd_nxt, edge) ? c->snd_nxt : edge;
}

uint32_t tcp_pipe(const struct tcp *tcp, const struct tcp_conn *c)
{
    uint32_t edge = lost_edge(tcp, c);
    uint32_t pipe = c->snd_nxt - c->snd_una - tcp_sacked_bytes(tcp, c, c->snd_una, c->snd_nxt);
    uint32_t left = (uint32_t)c->dup_acks * c->mss;

    if (seq_before(c->snd_rtx, edge))
        pipe -= edge - c->snd_rtx - tcp_sacked_bytes(tcp, c, c->snd_rtx, edge);
    if ((c->flags & C_SACK) || c->loss == TCP_LOSS_TIMEOUT)
        return pipe;
    return pipe > left ? pipe - left : 0; /* each duplicate ACK: one segment has arrived */
}

bool tcp_rtx_next(const struct tcp *tcp, const struct tcp_conn *c, uint32_t *ret_seq, uint32_t *ret_max)
{
    uint32_t seq, max;

    if (c->loss == TCP_LOSS_OPEN)
        return false;
    seq = tcp_sack_skip(tcp, c, c->snd_rtx, &max);
    if (!seq_before(seq, lost_edge(tcp, c)))
        return false;
    *ret_seq = seq;
    *ret_max = max < c->snd_nxt - seq ? max : c->snd_nxt - seq;
    return true;
}

void tcp_retransmit_all(struct tcp *tcp, struct tcp_conn *c)
{
    c->loss = TCP_LOSS_TIMEOUT;
    c->recover = c->snd_nxt;
    c->snd_rtx = c->snd_una;
    c->dup_acks = 0;
    c->flags = (c->flags & ~(uint32_t)C_RTT) | C_RTX_NOW;
    tcp_sack_clear(tcp, c);
    tcp_touch(tcp, c);
}

void tcp_rtx_timeout(struct tcp *tcp, struct tcp_conn *c)
{
    if (!tcp_in_flight(c))
        return;
    if (c->snd_wnd == 0 && seq_before(c->snd_una, c->snd_end) &&
        tcp_age(tcp, c->heard_at) < TCP_TICKS(TCP_GIVE_UP_US)) {
        c->flags |= C_PERSIST; /* the peer shrank its window: not loss (RFC 9293 s3.8.6.1) */
        tcp_output_probe(tcp, c);
    } else if (c->retries >= TCP_RETRIES_MAX ||
               tcp_age(tcp, c->progress_at) >= TCP_TICKS(TCP_GIVE_UP_US)) {
        tcp_count(tcp, TCP_COUNT_ABORT_ON_TIMEOUT);
        tcp_reset_conn(tcp, c);
        tcp_gone(tcp, c, TCP_GONE_TIMEOUT);
        return;
    } else {
        uint32_t flight = c->snd_nxt - c->snd_una;

        tcp_count(tcp, TCP_COUNT_RTO);
        if (c->retries == 0)
            tcp->cc->timeout(c, flight);
        c->cwnd = c->mss;
        tcp_retransmit_all(tcp, c);
    }
    c->retries++;
    tcp_timer_set(tcp, c, &c->due_rtx, backed_off(c));
}

static void fast_recovery(struct tcp *tcp, struct tcp_conn *c)
{
    bool holes = (c->flags & C_SACK) && tcp_sack_lost_edge(tcp, c) != c->snd_una;

    if (c->loss != TCP_LOSS_OPEN || (c->dup_acks < TCP_DUP_THRESHOLD && !holes))
        return;
    if (!holes && !seq_before(c->recover, c->snd_una))
        return; /* RFC 6582 s4.1: duplicates that our own retransmissions caused */
    tcp_count(tcp, TCP_COUNT_FAST_RETRANS);
    if (!(c->flags & C_SACK))
        tcp_count(tcp, TCP_COUNT_RENO_RECOVERY);
    tcp->cc->lost(c, c->snd_nxt - c->snd_una);
    c->loss = TCP_LOSS_FAST;
    c->recover = c->snd_nxt;
    c->snd_rtx = c->snd_una;
    c->flags = (c->flags & ~(uint32_t)C_RTT) | C_RTX_NOW;
    tcp_touch(tcp, c);
}

/* snd_una moved by acked bytes; flight is from before. */
static void progress(struct tcp *tcp, struct tcp_conn *c, uint32_t acked, uint32_t flight)
{
    uint32_t segments = acked / c->mss + 1;

    c->snd_rtx = seq_max(c->snd_rtx, c->snd_una);
    c->retries = 0;
    c->progress_at = tcp_tick(tcp);
    if (c->loss != TCP_LOSS_OPEN && !seq_before(c->snd_una, c->recover)) {
        if (c->loss == TCP_LOSS_FAST)
            c->cwnd = c->ssthresh;
        c->loss = TCP_LOSS_OPEN;
        c->dup_acks = 0;
        c->flags &= ~(uint32_t)C_RTX_NOW;
    } else if (c->loss == TCP_LOSS_OPEN) {
        tcp->cc->acked(c, acked, flight);
        c->dup_acks = 0;
        if (c->snd_una - c->recover > 1u << 30)
            c->recover = c->snd_una - 1; /* or it would come to lie ahead */
    } else if (c->loss == TCP_LOSS_TIMEOUT) {
        tcp->cc->acked(c, acked, c->cwnd);
    } else if (!(c->flags & C_SACK)) { /* RFC 6582 s3.2 step 3, a partial acknowledgement */
        c->dup_acks = (uint8_t)(c->dup_acks > segments ? c->dup_acks - segments : 0);
        c->snd_rtx = c->snd_una;
        c->flags |= C_RTX_NOW;
    }
    c->flags &= ~(uint32_t)C_PERSIST;
    c->due_rtx = 0;
    if (tcp_in_flight(c))
        tcp_timer_set(tcp, c, &c->due_rtx, c->rto_us);
}

/* RFC 9293 s3.10.7.4, fifth: SND.WND.  SND.WL2 is not kept: an acknowledgement that is not old
 * is at least that. */
static bool window_input(struct tcp *tcp, struct tcp_conn *c, const struct tcp_seg *seg)
{
    uint32_t window = (uint32_t)seg->window << c->snd_wscale, old = c->snd_wnd;

    if (seq_before(seg->seq, c->snd_wl1) || seq_before(seg->ack, c->snd_una))
        return false;
    c->snd_wl1 = seg->seq;
    c->snd_wnd = window;
    if (window > c->snd_wnd_max)
        c->snd_wnd_max = window;
    if ((c->flags & C_PERSIST) && window > old) {
        c->flags &= ~(uint32_t)C_PERSIST;
        c->retries = 0;
        c->due_rtx = 0;
        if (tcp_in_flight(c)) { /* probes that fell on a closed window */
            tcp_retransmit_all(tcp, c);
            tcp_timer_set(tcp, c, &c->due_rtx, c->rto_us);
        }
    }
    return window != old;
}

bool tcp_ack_input(struct tcp *tcp, struct tcp_conn *c, const struct tcp_seg *seg, bool *ret_room)
{
    uint32_t flight = c->snd_nxt - c->snd_una, acked = 0;
    bool moved, news;

    if (seq_before(c->snd_nxt, seg->ack) || seq_before(seg->ack, c->snd_una - c->snd_wnd_max)) {
        tcp_count(tcp, seq_before(c->snd_nxt, seg->ack) ? TCP_COUNT_ACK_FUTURE : TCP_COUNT_ACK_OLD);
        tcp_challenge(tcp, c); /* RFC 5961 s5.2 */
        return false;
    }
    if (seq_before(c->snd_una, seg->ack)) {
        acked = seg->ack - c->snd_una;
        c->snd_una = seg->ack;
        tcp_send_acked(tcp, c);
        rtt_from_ack(tcp, c, seg);
        progress(tcp, c, acked, flight);
        if (c->flags & C_WANT_ROOM) {
            c->flags &= ~(uint32_t)C_WANT_ROOM;
            *ret_room = true;
        }
    }
    news = tcp_sack_input(tcp, c, seg);
    moved = window_input(tcp, c, seg);
    if (acked == 0 && seg->ack == c->snd_una && tcp_in_flight(c) && seg->text.len == 0 &&
        !(seg->flags & TCP_FIN) && (c->flags & C_SACK ? news : !moved)) {
        tcp_count(tcp, TCP_COUNT_DUP_ACKS);
        if (c->dup_acks < UINT8_MAX)
            c->dup_acks++;
    }
    if (tcp_in_flight(c))
        fast_recovery(tcp, c);
    if (acked > 0 || moved || news || c->dup_acks > 0) {
        if (seq_before(c->snd_nxt, c->snd_end) || c->loss != TCP_LOSS_OPEN ||
            (c->flags & (C_CLOSED | C_FIN_SENT)) == C_CLOSED)
            tcp_touch(tcp, c);
    }
    return true;
}

/* tcp_output.c - segments leave: what is lost, then what is new, then a bare ACK if one is owed.
 *
 * Called once per touched connection at the end of a turn.  Nagle is off: replies are batched
 * by the caller, and what is left over is always the end of a reply.  Sender's SWS avoidance
 * stays (RFC 9293 s3.8.6.2.1).
 */
#include "tcp_core.h"

bool tcp_emit(struct tcp *tcp, const struct tcp_seg *seg, const struct span *text, unsigned pieces)
{
    tcp_count(tcp, TCP_COUNT_OUT_SEGS);
    if (tcp->out.send(tcp->out.ctx, seg, text, pieces))
        return true;
    tcp_count(tcp, TCP_COUNT_OUT_NO_FRAME);
    return false;
}

uint32_t tcp_effective_mss(const struct tcp_conn *c)
{
    return c->mss - (c->flags & C_TIMESTAMPS ? TCP_OPTION_TIMESTAMPS : 0u);
}

/* The window to announce.  The right edge never goes back (RFC 9293 s3.8.6) and goes on only by
 * worthwhile steps; scaling rounds up, or its granularity would take back a few bytes. */
static uint16_t window_out(struct tcp *tcp, struct tcp_conn *c)
{
    uint32_t all = tcp->config.receive_window, most = 65535u << c->rcv_wscale, unread = tcp_unread(c);
    uint32_t could = unread < all ? all - unread : 0;
    uint32_t step = all / 2 < c->mss ? all / 2 : c->mss, wire;

    could = could < most ? could : most;
    if (seq_at_or_before(c->rcv_adv + step, c->rcv_nxt + could))
        c->rcv_adv = c->rcv_nxt + could;
    wire = (c->rcv_adv - c->rcv_nxt + (1u << c->rcv_wscale) - 1) >> c->rcv_wscale;
    c->rcv_adv = c->rcv_nxt + (wire << c->rcv_wscale);
    return (uint16_t)(wire < 65535 ? wire : 65535);
}

/* Everything that carries our ACK goes through here: what was owed is paid. */
static bool send_segment(struct tcp *tcp, struct tcp_conn *c, uint32_t seq, uint8_t flags,
                         const struct span *text, unsigned pieces)
{
    struct tcp_seg out = {.key = c->key, .path = c->path, .seq = seq, .ack = c->rcv_nxt};

    out.flags = (uint8_t)(flags | TCP_ACK);
    out.window = window_out(tcp, c);
    if (c->flags & C_TIMESTAMPS) {
        out.has_timestamps = true;
        out.ts_val = tcp_tick(tcp) + c->ts_offset;
        out.ts_ecr = c->ts_recent;
    }
    if (pieces == 0 && (c->flags & C_SACK) && ((c->flags & C_DSACK) || c->rx_head != POOL_NONE))
        tcp_sack_report(tcp, c, &out, c->flags & C_TIMESTAMPS ? 3 : TCP_SACK_BLOCKS_MAX);
    c->rcv_acked = c->rcv_nxt;
    c->due_ack = c->flags & C_STARVED ? c->due_ack : 0;
    c->flags &= ~(uint32_t)C_ACK_NOW;
    return tcp_emit(tcp, &out, text, pieces);
}

void tcp_output_ack(struct tcp *tcp, struct tcp_conn *c)
{
    tcp_count(tcp, TCP_COUNT_PURE_ACKS);
    send_segment(tcp, c, c->snd_nxt, 0, NULL, 0);
}

void tcp_output_keepalive(struct tcp *tcp, struct tcp_conn *c)
{
    tcp_count(tcp, TCP_COUNT_KEEP_ALIVES);
    send_segment(tcp, c, c->snd_nxt - 1, 0, NULL, 0);
}

/* Text [seq, seq + len) and the FIN if it follows and is due; how far it got. */
static uint32_t send_text(struct tcp *tcp, struct tcp_conn *c, uint32_t seq, uint32_t len, bool *ret_sent)
{
    struct span pieces[TCP_PIECES_MAX];
    uint32_t got = 0;
    unsigned n = len > 0 ? tcp_send_gather(tcp, c, seq, len, pieces, &got) : 0;
    uint8_t flags = 0;

    if (seq + got == c->snd_end) {
        flags |= TCP_PSH;
        if (c->flags & C_CLOSED)
            flags |= TCP_FIN;
    }
    *ret_sent = send_segment(tcp, c, seq, n > 0 ? flags : flags & (uint8_t)~TCP_PSH, pieces, n);
    return seq + got + (flags & TCP_FIN ? 1 : 0);
}

static void fin_sent(struct tcp_conn *c)
{
    c->flags |= C_FIN_SENT;
    tcp_enter(c, c->state == TCP_CLOSE_WAIT ? TCP_LAST_ACK : TCP_FIN_WAIT_1);
}

static bool retransmit_one(struct tcp *tcp, struct tcp_conn *c, uint32_t pipe)
{
    uint32_t seq, max, mss = tcp_effective_mss(c), edge = c->snd_una + c->snd_wnd, text;
    bool sent = true;

    if (!tcp_rtx_next(tcp, c, &seq, &max) || (!(c->flags & C_RTX_NOW) && pipe >= c->cwnd))
        return false;
    text = seq_before(seq, c->snd_end) ? c->snd_end - seq : 0;
    text = text < mss ? text : mss;
    /* The last of it may take along what is new, as far as the window goes: a reply that
     * follows a lost one, the rest after a probe. */
    if (seq + max == c->snd_nxt && seq_before(c->snd_nxt, edge))
        max = edge - seq;
    text = text < max ? text : max;
    c->flags &= ~(uint32_t)(C_RTX_NOW | C_RTT); /* Karn: a round trip now timed would mean nothing */
    tcp_count(tcp, TCP_COUNT_RETRANS_SEGS);
    c->snd_rtx = send_text(tcp, c, seq, text, &sent);
    if (seq_before(c->snd_nxt, c->snd_rtx)) {
        c->snd_nxt = c->snd_rtx;
        if (c->snd_nxt == c->snd_end + 1) /* the FIN went along for the first time */
            fin_sent(c);
    }
    return sent;
}

/* How much new text may leave in one segment now. */
static uint32_t sendable(const struct tcp_conn *c, uint32_t pipe)
{
    uint32_t edge = c->snd_una + c->snd_wnd, mss = tcp_effective_mss(c), len, left;

    if (!seq_before(c->snd_nxt, c->snd_end) || !seq_before(c->snd_nxt, edge) || pipe >= c->cwnd)
        return 0;
    left = c->snd_end - c->snd_nxt;
    len = left < mss ? left : mss;
    if (edge - c->snd_nxt < len) { /* the window cuts it: only if that is most of the window */
        len = edge - c->snd_nxt;
        if (len < c->snd_wnd_max / 2)
            return 0;
    }
    return len;
}

static bool send_new(struct tcp *tcp, struct tcp_conn *c, uint32_t pipe)
{
    uint32_t len = sendable(c, pipe), next;
    bool fin = (c->flags & (C_CLOSED | C_FIN_SENT)) == C_CLOSED, sent;

    if (len == 0 && !(fin && c->snd_nxt == c->snd_end))
        return false;
    if (!tcp_in_flight(c)) {
        if (tcp_age(tcp, c->progress_at) > TCP_TICKS(c->rto_us))
            tcp->cc->idle(c);
        c->progress_at = tcp_tick(tcp);
    }
    next = send_text(tcp, c, c->snd_nxt, len, &sent);
    if (c->snd_rtx == c->snd_nxt)
        c->snd_rtx = next;
    c->snd_nxt = next;
    if (!(c->flags & C_RTT) && c->loss == TCP_LOSS_OPEN) {
        c->flags |= C_RTT;
        c->rtt_seq = next;
        c->rtt_at_us = (uint32_t)tcp->now.us;
    }
    if (fin && next == c->snd_end + 1)
        fin_sent(c);
    return sent;
}

void tcp_output(struct tcp *tcp, struct tcp_conn *c)
{
    unsigned train = 0;

    if (c->state & (TCP_SYN_SENT | TCP_SYN_RCVD)) {
        tcp_syn_output(tcp, c);
        return;
    }
    tcp_text_drop_borrowed(tcp, c); /* a caller that forgot tcp_settle(): the frame is gone */
    while (train < TCP_TRAIN_MAX) {
        uint32_t pipe = tcp_pipe(tcp, c);

        if (!retransmit_one(tcp, c, pipe) && !send_new(tcp, c, pipe))
            break;
        train++;
    }
    if (train == TCP_TRAIN_MAX)
        tcp_touch(tcp, c); /* the rest in the next turn */
    if (c->flags & C_ACK_NOW)
        tcp_output_ack(tcp, c);
    if (c->due_rtx != 0)
        return;
    if (tcp_in_flight(c)) {
        tcp_timer_set(tcp, c, &c->due_rtx, c->rto_us);
    } else if (seq_before(c->snd_nxt, c->snd_end)) {
        c->flags |= C_PERSIST;
        c->progress_at = tcp_tick(tcp);
        tcp_timer_set(tcp, c, &c->due_rtx, c->rto_us);
    }
}

/* RFC 9293 s3.8.6.1: one byte beyond a closed window, the same one until it is taken; and what
 * fits, where SWS avoidance has held it back long enough. */
void tcp_output_probe(struct tcp *tcp, struct tcp_conn *c)
{
    struct span pieces[TCP_PIECES_MAX];
    uint32_t got = 0, len = c->snd_wnd > 0 ? c->snd_wnd : 1, left = c->snd_end - c->snd_una;
    uint32_t mss = tcp_effective_mss(c);
    unsigned n;

    len = len < mss ? len : mss;
    len = len < left ? len : left;
    n = tcp_send_gather(tcp, c, c->snd_una, len, pieces, &got);
    tcp_count(tcp, TCP_COUNT_PROBES);
    c->flags &= ~(uint32_t)C_RTT;
    if (!tcp_in_flight(c))
        c->snd_nxt += got;
    c->snd_rtx = seq_max(c->snd_rtx, c->snd_una + got);
    send_segment(tcp, c, c->snd_una, 0, pieces, n);
}

/* tcp_input.c - a segment arrives: RFC 9293 s3.10.7.4 in its order, with the checks of
 * RFC 5961 (blind reset, SYN, ACK) and RFC 7323 (PAWS).
 */
#include "tcp_core.h"

void tcp_challenge(struct tcp *tcp, struct tcp_conn *c)
{
    if (tcp_age(tcp, c->challenge_at) < TCP_TICKS(TCP_CHALLENGE_US) ||
        !tcp_valve_take(tcp, &tcp->challenges, TCP_CHALLENGES_PER_SECOND)) {
        tcp_count(tcp, TCP_COUNT_CHALLENGE_HELD);
        return;
    }
    c->challenge_at = tcp_tick(tcp);
    tcp_count(tcp, TCP_COUNT_CHALLENGE_ACK);
    tcp_ack_now(tcp, c);
}

static uint32_t length_of(const struct tcp_seg *seg)
{
    return (uint32_t)seg->text.len + (seg->flags & TCP_FIN ? 1 : 0) + (seg->flags & TCP_SYN ? 1 : 0);
}

/* RFC 7323 s5.3 R1.  A missing timestamp is let pass: some stacks forget it, and it proves
 * nothing a reset could be built on. */
static bool paws_old(const struct tcp *tcp, const struct tcp_conn *c, const struct tcp_seg *seg)
{
    return (c->flags & C_TIMESTAMPS) && seg->has_timestamps && !(seg->flags & TCP_RST) &&
           seq_before(seg->ts_val, c->ts_recent) &&
           tcp_tick(tcp) - c->heard_at < TCP_TICKS(TCP_PAWS_US);
}

/* RFC 9293 s3.10.7.4 first, in two points laxer: an ACK without text at the very right edge
 * counts (its text before it may be lost), and a segment that covers the whole window counts. */
static bool in_window(const struct tcp_conn *c, const struct tcp_seg *seg)
{
    uint32_t len = length_of(seg), window = c->rcv_adv - c->rcv_nxt;

    if (len == 0)
        return seg->seq - c->rcv_nxt <= window;
    if (window == 0) /* text is cut off later; its ACK, RST and FIN-less rest still count */
        return seg->seq == c->rcv_nxt;
    return seq_before(c->rcv_nxt, seg->seq + len) && seq_before(seg->seq, c->rcv_adv);
}

static enum tcp_in unacceptable(struct tcp *tcp, struct tcp_conn *c, const struct tcp_seg *seg)
{
    if (seg->flags & TCP_RST) {
        tcp_count(tcp, TCP_COUNT_RST_IGNORED);
        return TCP_IN_DONE;
    }
    tcp_count(tcp, TCP_COUNT_UNACCEPTABLE);
    if (seg->text.len == 0 && !(seg->flags & TCP_FIN)) {
        tcp_challenge(tcp, c);
        return TCP_IN_DONE;
    }
    /* A repeat of what we have: our ACK was lost.  It must be heard, so no limit but the flush. */
    if (seq_before(seg->seq, c->rcv_nxt) && seg->text.len > 0) {
        uint32_t end = seg->seq + (uint32_t)seg->text.len;

        tcp_count(tcp, TCP_COUNT_DUPLICATE_TEXT);
        c->flags |= C_DSACK;
        c->dsack_left = seg->seq;
        c->dsack_right = seq_before(end, c->rcv_nxt) ? end : c->rcv_nxt;
    }
    tcp_ack_now(tcp, c);
    return TCP_IN_DONE;
}

static enum tcp_in reset_input(struct tcp *tcp, struct tcp_conn *c, const struct tcp_seg *seg)
{
    if (seg->seq != c->rcv_nxt) { /* RFC 5961 s3.2 */
        tcp_count(tcp, TCP_COUNT_RST_IGNORED);
        tcp_challenge(tcp, c);
        return TCP_IN_DONE;
    }
    tcp_count(tcp, c->state == TCP_SYN_RCVD ? TCP_COUNT_ATTEMPT_FAILS : TCP_COUNT_ESTAB_RESETS);
    tcp_gone(tcp, c, TCP_GONE_RESET);
    return TCP_IN_DONE;
}

/* Fifth, for SYN-RECEIVED after simultaneous open; false: it was no answer to our SYN. */
static bool syn_rcvd_input(struct tcp *tcp, struct tcp_conn *c, const struct tcp_seg *seg)
{
    if (seg->ack != c->snd_nxt) {
        tcp_reset_at(tcp, seg);
        return false;
    }
    c->snd_una = seg->ack;
    c->snd_wnd = (uint32_t)seg->window << c->snd_wscale;
    c->snd_wnd_max = c->snd_wnd;
    c->snd_wl1 = seg->seq;
    c->retries = 0;
    c->due_rtx = 0;
    c->flags &= ~(uint32_t)(C_RTT | C_PUSH_SYN);
    tcp_enter(c, TCP_ESTABLISHED);
    tcp_event_queue(tcp, c);
    tcp_touch(tcp, c);
    return true;
}

/* Our FIN is acknowledged: on in the closing; false: the connection is gone. */
static bool fin_acked(struct tcp *tcp, struct tcp_conn *c)
{
    switch (c->state) {
    case TCP_FIN_WAIT_1:
        tcp_enter(c, TCP_FIN_WAIT_2);
        tcp_linger_start(tcp, c);
        return true;
    case TCP_CLOSING:
        tcp_wait_enter(tcp, c);
        return false;
    case TCP_LAST_ACK:
        tcp_gone(tcp, c, TCP_GONE_CLOSED);
        return false;
    default:
        return true;
    }
}

static enum tcp_in conn_input(struct tcp *tcp, struct tcp_conn *c, const struct tcp_seg *seg,
                              struct tcp_conn **ret_conn)
{
    bool room = false, look;

    if (c->state == TCP_SYN_SENT)
        return tcp_syn_sent_input(tcp, c, seg);
    tcp_text_drop_borrowed(tcp, c);
    if (paws_old(tcp, c, seg)) {
        tcp_count(tcp, TCP_COUNT_PAWS);
        return unacceptable(tcp, c, seg);
    }
    if (!in_window(c, seg))                                                     /* first */
        return unacceptable(tcp, c, seg);
    if (seg->flags & TCP_RST)                                                   /* second */
        return reset_input(tcp, c, seg);
    if (seg->flags & TCP_SYN) {                                                 /* fourth */
        tcp_count(tcp, TCP_COUNT_SYN_CHALLENGE);
        tcp_challenge(tcp, c);
        return TCP_IN_DONE;
    }
    if (!(seg->flags & TCP_ACK)) {                                              /* fifth */
        tcp_count(tcp, TCP_COUNT_NO_ACK);
        return TCP_IN_DONE;
    }
    if (c->state == TCP_SYN_RCVD && !syn_rcvd_input(tcp, c, seg))
        return TCP_IN_DONE;
    if (!tcp_ack_input(tcp, c, seg, &room))
        return TCP_IN_DONE;
    c->heard_at = tcp_tick(tcp);
    c->probes = 0;
    if ((c->flags & C_TIMESTAMPS) && seg->has_timestamps &&
        seq_at_or_before(seg->seq, c->rcv_acked) && !seq_before(seg->ts_val, c->ts_recent))
        c->ts_recent = seg->ts_val; /* RFC 7323 s4.3 (3) */
    if ((c->flags & C_FIN_SENT) && c->snd_una == c->snd_end + 1 && !fin_acked(tcp, c))
        return TCP_IN_DONE;
    look = tcp_text_input(tcp, c, seg);       /* sixth: URG is ignored (RFC 6093); seventh, eighth */
    if (c->state == TCP_CLOSED || (c->flags & C_CLOSED) || (!look && !room))
        return TCP_IN_DONE;
    *ret_conn = c;
    return TCP_IN_CONN;
}

/* RFC 9293 s3.10.7.1 and s3.10.7.2: nothing we know, perhaps something new. */
static enum tcp_in stranger_input(struct tcp *tcp, const struct tcp_seg *seg)
{
    if ((seg->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN) {
        if ((seg->flags & TCP_FIN) || seg->key.remote_port == 0 || seg->key.local_port == 0) {
            tcp_count(tcp, TCP_COUNT_BAD_SYN);
            return TCP_IN_DONE;
        }
        return TCP_IN_SYN;
    }
    tcp_count(tcp, TCP_COUNT_IN_NO_CONN);
    tcp_reset_stranger(tcp, seg);
    return TCP_IN_DONE;
}

enum tcp_in tcp_input(struct tcp *tcp, const struct tcp_seg *seg, struct usec now,
                      struct tcp_conn **ret_conn)
{
    uint64_t hash = tcp_hash(tcp, &seg->key);
    struct tcp_conn *c;
    struct tcp_embryo *e;
    struct tcp_wait *w;

    tcp->now = now;
    tcp_count(tcp, TCP_COUNT_IN_SEGS);
    c = tcp_conn_find(tcp, &seg->key, hash);
    if (c != NULL)
        return conn_input(tcp, c, seg, ret_conn);
    e = tcp_embryo_find(tcp, &seg->key, hash);
    if (e != NULL)
        return tcp_embryo_input(tcp, e, seg);
    w = tcp_wait_find(tcp, &seg->key, hash);
    if (w != NULL)
        return tcp_wait_input(tcp, w, seg);
    return stranger_input(tcp, seg);
}

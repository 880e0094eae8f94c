/* tcp_connect.c - active open: SYN-SENT (RFC 9293 s3.10.7.3), and SYN-RECEIVED after
 * simultaneous open.
 */
#include "tcp_core.h"

struct tcp_conn *tcp_connect(struct tcp *tcp, const struct tcp_key *key, const struct net_path *path,
                             struct usec now)
{
    uint64_t hash = tcp_hash(tcp, key);
    struct tcp_conn *c;

    tcp->now = now;
    if (tcp_conn_find(tcp, key, hash) != NULL || tcp_embryo_find(tcp, key, hash) != NULL ||
        tcp_wait_find(tcp, key, hash) != NULL)
        return NULL;
    c = tcp_conn_take(tcp, key, path, TCP_SYN_SENT);
    if (c == NULL)
        return NULL;
    tcp_count(tcp, TCP_COUNT_ACTIVE_OPENS);
    c->snd_una = tcp_isn(tcp, key, (uint32_t)(now.us >> 2));
    c->snd_nxt = c->snd_end = c->snd_una + 1;
    c->snd_rtx = c->snd_nxt;
    c->recover = c->snd_una;
    c->rtt_at_us = (uint32_t)now.us;
    c->flags |= C_PUSH_SYN | C_RTT;
    tcp->cc->start(c);
    tcp_timer_set(tcp, c, &c->due_rtx, TCP_RTO_INITIAL_US);
    tcp_touch(tcp, c);
    return c;
}

/* SYN, or SYN-ACK once the peer's SYN is here. */
void tcp_syn_output(struct tcp *tcp, struct tcp_conn *c)
{
    bool answer = c->state == TCP_SYN_RCVD;
    uint32_t window = tcp->config.receive_window < 65535 ? tcp->config.receive_window : 65535;
    struct tcp_seg out = {
        .key = c->key,
        .path = c->path,
        .seq = c->snd_una,
        .flags = (uint8_t)(TCP_SYN | (answer ? TCP_ACK : 0)),
        .ack = answer ? c->rcv_nxt : 0,
        .window = (uint16_t)window,
        .has_mss = true,
        .mss = ip_is_v4(&c->key.local) ? tcp->config.mss_v4 : tcp->config.mss_v6,
        .has_wscale = !answer || (c->flags & C_WSCALE),
        .wscale = tcp->rcv_wscale,
        .has_sack_permitted = !answer || (c->flags & C_SACK),
        .has_timestamps = !answer || (c->flags & C_TIMESTAMPS),
        .ts_val = tcp_tick(tcp) + c->ts_offset,
        .ts_ecr = answer ? c->ts_recent : 0,
    };

    if (!(c->flags & (C_PUSH_SYN | C_ACK_NOW)))
        return;
    c->flags &= ~(uint32_t)(C_PUSH_SYN | C_ACK_NOW);
    tcp_emit(tcp, &out, NULL, 0);
}

void tcp_syn_timeout(struct tcp *tcp, struct tcp_conn *c)
{
    if (c->retries >= TCP_SYN_RETRIES_MAX) {
        tcp_count(tcp, TCP_COUNT_ATTEMPT_FAILS);
        tcp_gone(tcp, c, TCP_GONE_TIMEOUT);
        return;
    }
    c->retries++;
    c->flags = (c->flags & ~(uint32_t)C_RTT) | C_PUSH_SYN;
    tcp_count(tcp, TCP_COUNT_SYN_RETRANS);
    tcp_timer_set(tcp, c, &c->due_rtx, (uint64_t)TCP_RTO_INITIAL_US << c->retries);
    tcp_touch(tcp, c);
}

/* The peer's SYN, with or without ACK: what it offers and where it starts. */
static void take_syn(struct tcp *tcp, struct tcp_conn *c, const struct tcp_seg *seg)
{
    uint16_t least = ip_is_v4(&c->key.local) ? TCP_MSS_DEFAULT_V4 : TCP_MSS_DEFAULT_V6;
    uint16_t mss = seg->has_mss ? seg->mss : least;
    uint32_t window = tcp->config.receive_window < 65535 ? tcp->config.receive_window : 65535;

    mss = mss > TCP_MSS_MIN ? mss : TCP_MSS_MIN;
    c->mss = mss < c->mss ? mss : c->mss;
    c->flags &= ~(uint32_t)(C_WSCALE | C_SACK | C_TIMESTAMPS);
    if (seg->has_wscale) {
        c->flags |= C_WSCALE;
        c->snd_wscale = seg->wscale < TCP_WSCALE_MAX ? seg->wscale : TCP_WSCALE_MAX;
        c->rcv_wscale = tcp->rcv_wscale;
    }
    if (seg->has_sack_permitted)
        c->flags |= C_SACK;
    if (seg->has_timestamps) {
        c->flags |= C_TIMESTAMPS;
        c->ts_recent = seg->ts_val;
    }
    c->rcv_nxt = c->rcv_read = c->rcv_acked = seg->seq + 1;
    c->rcv_adv = c->rcv_nxt + window;
    c->snd_wl1 = seg->seq;
    c->snd_wnd = seg->window; /* a SYN's window is never scaled (RFC 7323 s2.2) */
    c->snd_wnd_max = c->snd_wnd;
    c->heard_at = tcp_tick(tcp);
    tcp->cc->start(c);
}

enum tcp_in tcp_syn_sent_input(struct tcp *tcp, struct tcp_conn *c, const struct tcp_seg *seg)
{
    bool good = (seg->flags & TCP_ACK) && seg->ack == c->snd_nxt;

    if ((seg->flags & TCP_ACK) && !good) {
        if (!(seg->flags & TCP_RST))
            tcp_reset_at(tcp, seg);
        return TCP_IN_DONE;
    }
    if (seg->flags & TCP_RST) {
        if (good) {
            tcp_count(tcp, TCP_COUNT_ATTEMPT_FAILS);
            tcp_gone(tcp, c, TCP_GONE_RESET);
        }
        return TCP_IN_DONE;
    }
    if (!(seg->flags & TCP_SYN))
        return TCP_IN_DONE;
    take_syn(tcp, c, seg);
    if (!good) { /* simultaneous open */
        tcp_enter(c, TCP_SYN_RCVD);
        c->flags |= C_PUSH_SYN;
        tcp_touch(tcp, c);
        return TCP_IN_DONE;
    }
    if (c->flags & C_RTT)
        tcp_rtt_sample(c, (uint32_t)tcp->now.us - c->rtt_at_us);
    else
        c->rto_us = TCP_RTO_AFTER_SYN_US;
    c->flags &= ~(uint32_t)(C_RTT | C_PUSH_SYN);
    c->snd_una = seg->ack;
    c->retries = 0;
    c->due_rtx = 0;
    c->progress_at = tcp_tick(tcp);
    tcp_enter(c, TCP_ESTABLISHED);
    if (tcp->config.keepalive_us != 0)
        tcp_timer_set(tcp, c, &c->due_life, tcp->config.keepalive_us);
    tcp_ack_now(tcp, c);
    tcp_event_queue(tcp, c);
    return TCP_IN_DONE; /* text in a SYN-ACK comes again */
}

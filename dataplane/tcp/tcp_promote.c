/* tcp_promote.c - an embryo becomes a connection (RFC 9293 s3.10.7.4, SYN-RECEIVED to
 * ESTABLISHED).
 */
#include "tcp_core.h"

static void early_text(struct tcp *tcp, struct tcp_conn *c, struct tcp_embryo *e)
{
    if (e->early != 0) {
        c->rx_head = c->rx_last = e->early - 1;
        c->rcv_nxt = tcp_block_end(tcp_block_of(tcp, c->rx_head));
        e->early = 0;
        tcp_ack_now(tcp, c);
        tcp_event_queue(tcp, c);
    }
    if (e->flags & E_FIN) {
        c->flags |= C_FIN_KNOWN;
        c->rcv_fin = c->rcv_nxt;
        tcp_fin_check(tcp, c);
        tcp_event_queue(tcp, c);
    }
}

static void negotiated(struct tcp *tcp, struct tcp_conn *c, const struct tcp_embryo *e)
{
    uint16_t peer_mss = e->mss > TCP_MSS_MIN ? e->mss : TCP_MSS_MIN;

    if (e->flags & E_TIMESTAMPS)
        c->flags |= C_TIMESTAMPS;
    if (e->flags & E_SACK)
        c->flags |= C_SACK;
    if (e->flags & E_WSCALE) {
        c->flags |= C_WSCALE;
        c->snd_wscale = e->wscale;
        c->rcv_wscale = tcp->rcv_wscale;
    }
    c->mss = peer_mss < c->mss ? peer_mss : c->mss;
    c->ts_recent = e->ts_recent;
    c->snd_wnd = (uint32_t)e->window << c->snd_wscale;
    c->snd_wnd_max = c->snd_wnd;
}

struct tcp_conn *tcp_promote(struct tcp *tcp, uint32_t index, struct usec now)
{
    struct tcp_embryo *e = tcp_embryo_of(tcp, index);
    const struct tcp_door *door = &tcp->doors[e->door];
    struct net_path path = {.vlan = door->vlan, .port = door->net_port};
    struct tcp_key key = tcp_embryo_key(tcp, e);
    uint32_t window = tcp->config.receive_window < 65535 ? tcp->config.receive_window : 65535;
    uint32_t age;
    struct tcp_conn *c;

    must(e->place == P_HANDED || e->place == P_READY);
    tcp->now = now;
    memcpy(path.mac, e->mac, sizeof(path.mac));
    c = tcp_conn_take(tcp, &key, &path, TCP_ESTABLISHED);
    if (c == NULL)
        return NULL;
    negotiated(tcp, c, e);
    c->snd_una = c->snd_nxt = c->snd_end = tcp_isn(tcp, &key, e->born) + 1;
    c->recover = c->snd_una - 1;
    c->snd_rtx = c->snd_una;
    c->rcv_nxt = c->rcv_read = c->rcv_acked = c->snd_wl1 = e->irs + 1;
    c->rcv_adv = c->rcv_nxt + window;
    /* RFC 6298 s5.7; the handshake's own round trip is known only while it was quick. */
    if (e->flags & E_RTX)
        c->rto_us = TCP_RTO_AFTER_SYN_US;
    age = (uint32_t)(now.us >> 2) - e->born;
    if (!(e->flags & E_RTX) && age < TCP_RTO_INITIAL_US / 4 && door->wait_ticks == 0)
        tcp_rtt_sample(c, age << 2);
    tcp->cc->start(c);
    if (tcp->config.keepalive_us != 0)
        tcp_timer_set(tcp, c, &c->due_life, tcp->config.keepalive_us);
    early_text(tcp, c, e);
    tcp_embryo_free(tcp, e);
    return c;
}

/* core_frame.c - frames between ports, workers and the rooms above. */
#include <rte_ethdev.h>

#include "core_worker.h"

#define OWNER_BUCKETS 128 /* as a NIC's redirection table is filled by core_port.c */
#define TICK_FRAMES   16

/* ---- out ---- */

static void transmit(struct worker *w, struct worker_port *p, uint16_t port_id)
{
    uint16_t sent = rte_eth_tx_burst(port_id, p->queue, p->tx, (uint16_t)p->pending);

    for (uint16_t i = sent; i < p->pending; i++)
        rte_pktmbuf_free(p->tx[i]);
    count_add(&w->counters[CORE_TX_FRAMES], sent);
    count_add(&w->counters[CORE_TX_FULL], p->pending - sent);
    p->pending = 0;
}

/* A worker without a queue on that port hands its frames to one that has. */
static void hand_over(struct worker *w, struct worker_port *p)
{
    uint32_t n = ring_put(&w->send_out[p->sender], p->tx, p->pending);

    for (uint32_t i = n; i < p->pending; i++)
        rte_pktmbuf_free(p->tx[i]);
    count_add(&w->counters[CORE_TX_RING_FULL], p->pending - n);
    p->pending = 0;
}

static void flush_port(struct worker *w, unsigned port)
{
    struct worker_port *p = &w->port[port];

    if (p->pending == 0)
        return;
    if (p->owns)
        transmit(w, p, w->core->port_id[port]);
    else
        hand_over(w, p);
}

void frame_flush(struct worker *w)
{
    for (unsigned port = 0; port < w->core->settings.ports_count; port++)
        flush_port(w, port);
}

void frame_send(struct worker *w, struct rte_mbuf *m, unsigned port)
{
    struct worker_port *p = &w->port[port];

    if (p->pending == TX_PENDING)
        flush_port(w, port);
    m->port = w->core->port_id[port];
    count_add(&w->counters[CORE_TX_BYTES], m->pkt_len);
    p->tx[p->pending++] = m;
}

bool frame_send_segment(void *worker, const struct tcp_seg *seg, const struct span *text,
                        unsigned pieces)
{
    struct worker *w = worker;
    unsigned port = seg->path.port;
    struct rte_mbuf *m = rte_pktmbuf_alloc(w->mbufs);
    struct net_lens lens = {0};
    size_t n;

    if (m == NULL) {
        count_one(&w->counters[CORE_TX_NO_MBUF]);
        return false;
    }
    n = net_encode(w->net, seg, text, pieces, w->core->tx_checksum[port],
                   rte_pktmbuf_mtod(m, uint8_t *), rte_pktmbuf_tailroom(m), &lens);
    if (n == 0) {
        rte_pktmbuf_free(m);
        return false;
    }
    m->data_len = (uint16_t)n;
    m->pkt_len = (uint32_t)n;
    if (w->core->tx_checksum[port]) {
        m->tx_offload = rte_mbuf_tx_offload(lens.l2, lens.l3, lens.l4, 0, 0, 0, 0);
        m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM |
                       (ip_is_v4(&seg->key.local) ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
    }
    frame_send(w, m, port);
    return true;
}

/* net_input wrote n bytes into the spare frame: it leaves, and another takes its place. */
static void send_answer(struct worker *w, struct rte_mbuf *answer, unsigned port, size_t n)
{
    answer->data_len = (uint16_t)n;
    answer->pkt_len = (uint32_t)n;
    if (n > w->core->settings.ports[port].mtu + sizeof(struct rte_ether_hdr) +
                (w->core->settings.ports[port].vlan != 0 ? sizeof(struct rte_vlan_hdr) : 0))
        frag_send(w, answer, port);
    else
        frame_send(w, answer, port);
}

void frame_events(struct worker *w)
{
    struct tcp_event ev;

    while (tcp_next(w->tcp, &ev)) {
        switch (ev.type) {
        case TCP_EV_READY:
            stream_ready(w, &ev);
            break;
        case TCP_EV_CONN:
            stream_run(w, ev.conn);
            break;
        case TCP_EV_GONE:
            stream_gone(w, ev.slot, ev.why);
            break;
        }
    }
}

/* ---- in ---- */

static bool checksum_good(const struct rte_mbuf *m)
{
    return (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD &&
           (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) != RTE_MBUF_F_RX_IP_CKSUM_BAD;
}

static void segment_in(struct worker *w, const struct tcp_seg *seg)
{
    struct tcp_conn *conn = NULL;

    switch (tcp_input(w->tcp, seg, w->now, &conn)) {
    case TCP_IN_SYN:
        syn_in(w, seg);
        break;
    case TCP_IN_CONN:
        stream_run(w, conn);
        break;
    case TCP_IN_DONE:
        break;
    }
    frame_events(w);
}

static struct rte_mbuf *answer_frame(struct worker *w, const struct rte_mbuf *m)
{
    if (m->pkt_len <= NET_ANSWER_BYTES) {
        if (w->answer == NULL)
            w->answer = rte_pktmbuf_alloc(w->mbufs);
        return w->answer;
    }
    return frag_big(w); /* only what was reassembled is that long */
}

void frame_in(struct worker *w, struct rte_mbuf *m)
{
    unsigned port = w->core->port_index[m->port];
    struct rte_mbuf *answer;
    struct net_result r;

    if (m->nb_segs > 1 && rte_pktmbuf_linearize(m) != 0) {
        count_one(&w->net_drops[0]);
        rte_pktmbuf_free(m);
        return;
    }
    answer = answer_frame(w, m);
    net_input(w->net, port, span_of(rte_pktmbuf_mtod(m, uint8_t *), m->data_len), checksum_good(m),
              w->now, answer != NULL ? rte_pktmbuf_mtod(answer, uint8_t *) : NULL,
              answer != NULL ? rte_pktmbuf_tailroom(answer) : 0, &r);
    if (r.verdict == NET_ANSWER) {
        if (answer == w->answer)
            w->answer = NULL;
        send_answer(w, answer, port, r.answer_bytes);
    } else if (answer != NULL && answer != w->answer) {
        rte_pktmbuf_free(answer);
    }
    switch (r.verdict) {
    case NET_DROP:
        count_one(&w->net_drops[r.drop]);
        break;
    case NET_TCP:
        segment_in(w, &r.seg);
        break;
    case NET_ICMP:
        tcp_icmp(w->tcp, &r.icmp_key, r.icmp_seq, r.icmp_mtu, r.icmp_hard, w->now);
        frame_events(w);
        break;
    case NET_FRAGMENT:
        frag_in(w, m, r.l3_offset); /* takes the frame */
        return;
    case NET_ANSWER:
    case NET_LEARNED:
        break;
    }
    rte_pktmbuf_free(m);
}

static unsigned owner_of(const struct worker *w, struct rte_mbuf *m)
{
    uint32_t hash;

    if (w->core->workers_count == 1)
        return 0;
    hash = net_flow_hash(w->net, w->core->port_index[m->port],
                         span_of(rte_pktmbuf_mtod(m, uint8_t *), m->data_len));
    return (hash % OWNER_BUCKETS) % w->core->workers_count;
}

void frame_burst(struct worker *w, struct rte_mbuf **frames, unsigned n, bool owned)
{
    for (unsigned i = 0; i < n && i < 4; i++)
        rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
    for (unsigned i = 0; i < n; i++) {
        unsigned owner;

        if (i + 4 < n)
            rte_prefetch0(rte_pktmbuf_mtod(frames[i + 4], void *));
        owner = owned ? w->index : owner_of(w, frames[i]);
        if (owner == w->index) {
            frame_in(w, frames[i]);
        } else if (ring_put(&w->forward_out[owner], &frames[i], 1) == 1) {
            count_one(&w->counters[CORE_FORWARDED]);
        } else {
            count_one(&w->counters[CORE_FORWARD_FULL]);
            rte_pktmbuf_free(frames[i]);
        }
    }
}

static unsigned poll_ports(struct worker *w)
{
    struct rte_mbuf *frames[BURST];
    unsigned total = 0;

    for (unsigned port = 0; port < w->core->settings.ports_count; port++) {
        uint64_t bytes = 0;
        uint16_t n;

        if (!w->port[port].owns)
            continue;
        n = rte_eth_rx_burst(w->core->port_id[port], w->port[port].queue, frames, BURST);
        for (uint16_t i = 0; i < n; i++)
            bytes += frames[i]->pkt_len;
        count_add(&w->counters[CORE_RX_FRAMES], n);
        count_add(&w->counters[CORE_RX_BYTES], bytes);
        frame_burst(w, frames, n, false);
        total += n;
    }
    return total;
}

unsigned frame_poll(struct worker *w)
{
    struct rte_mbuf *frames[BURST];
    unsigned total = poll_ports(w);

    for (unsigned from = 0; from < w->core->workers_count; from++) {
        uint32_t n;

        if (from == w->index)
            continue;
        n = ring_get(&w->forward_in[from], frames, BURST);
        frame_burst(w, frames, n, true);
        total += n;
        n = ring_get(&w->send_in[from], frames, BURST);
        for (uint32_t i = 0; i < n; i++) {
            unsigned port = w->core->port_index[frames[i]->port];

            if (w->port[port].pending == TX_PENDING)
                flush_port(w, port);
            w->port[port].tx[w->port[port].pending++] = frames[i];
        }
        total += n;
    }
    return total;
}

void frame_tick(struct worker *w)
{
    for (unsigned i = 0; i < TICK_FRAMES; i++) {
        struct rte_mbuf *m = rte_pktmbuf_alloc(w->mbufs);
        unsigned port = 0;
        size_t n;

        if (m == NULL)
            return;
        n = net_tick(w->net, w->now, rte_pktmbuf_mtod(m, uint8_t *), rte_pktmbuf_tailroom(m),
                     &port);
        if (n == 0) {
            rte_pktmbuf_free(m);
            return;
        }
        m->data_len = (uint16_t)n;
        m->pkt_len = (uint32_t)n;
        frame_send(w, m, port);
    }
}

/* core_frag.c - IP fragments in and out, through rte_ip_frag.
 *
 * Worker 0 owns reassembly (net_flow_hash gives fragments to it); the table is bounded in
 * packets and in time, and a packet has at most RTE_LIBRTE_IP_FRAG_MAX_FRAG pieces.  What is
 * whole is copied flat into a large frame and goes on to the worker that owns its flow.
 */
/* Expiry and flat fragmentation of rte_ip_frag are marked experimental in 22.11. */
#define ALLOW_EXPERIMENTAL_API

#include <stdlib.h>

#include <rte_ether.h>
#include <rte_ip_frag.h>

#include "core_worker.h"

#define FRAG_PACKETS 1024   /* being reassembled at once */
#define FRAG_BUCKET 4
#define FRAG_SECONDS 5      /* RFC 8200 s4.5 allows 60; a flood must not hold the table */
#define BIG_FRAMES 63
#define BIG_BYTES 16384     /* 8 pieces of 1500 and headers fit */
#define OUT_PIECES 16

struct frag {
    struct rte_ip_frag_tbl      *table;
    struct rte_ip_frag_death_row dead;
    struct rte_mempool          *big, *indirect;
};

struct frag *frag_new(uint64_t tsc_hz)
{
    struct frag *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return NULL;
    f->table = rte_ip_frag_table_create(FRAG_PACKETS / FRAG_BUCKET, FRAG_BUCKET, FRAG_PACKETS,
                                        tsc_hz * FRAG_SECONDS, SOCKET_ID_ANY);
    f->big = rte_pktmbuf_pool_create("sluice-big", BIG_FRAMES, 0, 0,
                                     RTE_PKTMBUF_HEADROOM + BIG_BYTES, SOCKET_ID_ANY);
    f->indirect = rte_pktmbuf_pool_create("sluice-indirect", 255, 0, 0, 0, SOCKET_ID_ANY);
    if (f->table == NULL || f->big == NULL || f->indirect == NULL) {
        free(f);
        return NULL;
    }
    return f;
}

struct rte_mbuf *frag_big(struct worker *w)
{
    return rte_pktmbuf_alloc(w->frag->big);
}

void frag_tick(struct worker *w)
{
    rte_ip_frag_table_del_expired_entries(w->frag->table, &w->frag->dead, rte_rdtsc());
    rte_ip_frag_free_death_row(&w->frag->dead, 0);
}

static struct rte_mbuf *reassemble(struct worker *w, struct rte_mbuf *m, unsigned l3)
{
    struct rte_ipv4_hdr *ip4 = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, l3);
    struct rte_ipv6_hdr *ip6 = (struct rte_ipv6_hdr *)ip4;

    m->l2_len = l3 & 0x7f;
    if ((ip4->version_ihl >> 4) == 4) {
        m->l3_len = rte_ipv4_hdr_len(ip4);
        m = rte_ipv4_frag_reassemble_packet(w->frag->table, &w->frag->dead, m, rte_rdtsc(), ip4);
        if (m != NULL) {
            ip4 = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, l3);
            ip4->hdr_checksum = 0;
            ip4->hdr_checksum = rte_ipv4_cksum(ip4);
        }
        return m;
    }
    struct rte_ipv6_fragment_ext *ext = rte_ipv6_frag_get_ipv6_fragment_header(ip6);

    if (ext == NULL) { /* other extension headers before it: DPDK's library cannot */
        rte_pktmbuf_free(m);
        count_one(&w->counters[CORE_FRAGMENT_DROPS]);
        return NULL;
    }
    m->l3_len = sizeof(*ip6) + sizeof(*ext);
    return rte_ipv6_frag_reassemble_packet(w->frag->table, &w->frag->dead, m, rte_rdtsc(), ip6, ext);
}

/* One flat copy: the rooms above read packets as one run of bytes. */
static struct rte_mbuf *flatten(struct worker *w, struct rte_mbuf *m)
{
    struct rte_mbuf *big = NULL;

    if (m->pkt_len <= BIG_BYTES)
        big = frag_big(w);
    if (big != NULL) {
        const void *bytes = rte_pktmbuf_read(m, 0, m->pkt_len, rte_pktmbuf_mtod(big, void *));

        if (bytes != rte_pktmbuf_mtod(big, const void *))
            memcpy(rte_pktmbuf_mtod(big, void *), bytes, m->pkt_len);
        big->data_len = (uint16_t)m->pkt_len;
        big->pkt_len = m->pkt_len;
        big->port = m->port;
        count_one(&w->counters[CORE_REASSEMBLED]);
    } else {
        count_one(&w->counters[CORE_FRAGMENT_DROPS]);
    }
    rte_pktmbuf_free(m);
    return big;
}

void frag_in(struct worker *w, struct rte_mbuf *m, unsigned l3_offset)
{
    struct rte_mbuf *whole;

    if (w->index != 0) { /* only a port that spreads frames its own way brings it here */
        if (ring_put(&w->forward_out[0], &m, 1) == 1)
            return;
        count_one(&w->counters[CORE_FORWARD_FULL]);
        rte_pktmbuf_free(m);
        return;
    }
    count_one(&w->counters[CORE_FRAGMENTS]);
    whole = reassemble(w, m, l3_offset);
    rte_ip_frag_free_death_row(&w->frag->dead, 0);
    if (whole != NULL && (whole = flatten(w, whole)) != NULL)
        frame_burst(w, &whole, 1, false);
}

/* Cuts an answer that is longer than the port's MTU (only echo replies are). */
void frag_send(struct worker *w, struct rte_mbuf *m, unsigned port)
{
    struct rte_mbuf *pieces[OUT_PIECES];
    uint16_t mtu = w->core->settings.ports[port].mtu;
    uint8_t l2[sizeof(struct rte_ether_hdr) + sizeof(struct rte_vlan_hdr)];
    uint16_t l2_len = sizeof(struct rte_ether_hdr);
    int n;

    if (rte_pktmbuf_mtod(m, struct rte_ether_hdr *)->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN))
        l2_len = sizeof(l2);
    memcpy(l2, rte_pktmbuf_mtod(m, void *), l2_len);
    rte_pktmbuf_adj(m, l2_len);
    if ((*rte_pktmbuf_mtod(m, uint8_t *) >> 4) == 4) {
        rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *)->fragment_offset = 0; /* DF off */
        n = rte_ipv4_fragment_copy_nonseg_packet(m, pieces, OUT_PIECES, mtu, w->mbufs);
    } else {
        n = rte_ipv6_fragment_packet(m, pieces, OUT_PIECES, mtu, w->mbufs, w->frag->indirect);
    }
    for (int i = 0; i < n; i++) {
        struct rte_ipv4_hdr *ip4 = rte_pktmbuf_mtod(pieces[i], struct rte_ipv4_hdr *);

        if ((ip4->version_ihl >> 4) == 4) {
            ip4->hdr_checksum = 0;
            ip4->hdr_checksum = rte_ipv4_cksum(ip4);
        }
        memcpy(rte_pktmbuf_prepend(pieces[i], l2_len), l2, l2_len);
        pieces[i]->ol_flags = 0;
        frame_send(w, pieces[i], port);
    }
    if (n < 0)
        count_one(&w->counters[CORE_TX_NO_MBUF]);
    rte_pktmbuf_free(m);
}

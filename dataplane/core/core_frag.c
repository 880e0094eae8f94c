/* core_frag.c - IP fragments in, through rte_ip_frag, and out.
 *
 * Worker 0 owns reassembly (net_flow_hash gives fragments to it); the table is bounded in
 * packets and in time, and a packet has at most RTE_LIBRTE_IP_FRAG_MAX_FRAG pieces.  What is
 * whole is copied flat into a large frame and goes on to the worker that owns its flow.
 */
/* Expiry of rte_ip_frag is marked experimental in 22.11. */
#define ALLOW_EXPERIMENTAL_API

#include <stdlib.h>

#include <rte_ether.h>
#include <rte_ip_frag.h>

#include "core_worker.h"

#define FRAG_PACKETS 1024 /* being reassembled at once */
#define FRAG_BUCKET  4
#define FRAG_SECONDS 5 /* RFC 8200 s4.5 allows 60; a flood must not hold the table */
#define FRAG_SHARE   4 /* at most one frame of the pool in so many is held for reassembly */
#define BIG_FRAMES   63
#define BIG_BYTES    16384 /* 8 pieces of 1500 and headers fit */

struct frag {
    struct rte_ip_frag_tbl *table;
    struct rte_ip_frag_death_row dead;
    struct rte_mempool *big;
    uint32_t held; /* pieces in the table: frames that nobody else can have */
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
    if (f->table == NULL || f->big == NULL) {
        free(f);
        return NULL;
    }
    return f;
}

struct rte_mbuf *frag_big(struct worker *w)
{
    return rte_pktmbuf_alloc(w->frag->big);
}

/* Pieces that will never be whole: too many, overlapping, or too late. */
static void bury(struct worker *w)
{
    count_add(&w->counters[CORE_FRAGMENT_DROPS], w->frag->dead.cnt);
    w->frag->held -= w->frag->dead.cnt;
    rte_ip_frag_free_death_row(&w->frag->dead, 0);
}

void frag_tick(struct worker *w)
{
    rte_ip_frag_table_del_expired_entries(w->frag->table, &w->frag->dead, rte_rdtsc());
    bury(w);
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
        w->frag->held--;
        rte_pktmbuf_free(m);
        count_one(&w->counters[CORE_FRAGMENT_DROPS]);
        return NULL;
    }
    m->l3_len = sizeof(*ip6) + sizeof(*ext);
    return rte_ipv6_frag_reassemble_packet(w->frag->table, &w->frag->dead, m, rte_rdtsc(), ip6,
                                           ext);
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
    /* Some thousand pieces of packets that never become whole must not take all frames. */
    if (w->frag->held >= w->mbufs->size / FRAG_SHARE) {
        count_one(&w->counters[CORE_FRAGMENT_DROPS]);
        rte_pktmbuf_free(m);
        return;
    }
    w->frag->held++;
    whole = reassemble(w, m, l3_offset);
    if (whole != NULL)
        w->frag->held -= whole->nb_segs;
    bury(w);
    if (whole != NULL && (whole = flatten(w, whole)) != NULL)
        frame_burst(w, &whole, 1, false);
}

/* One piece of the packet m: its headers (head bytes of Ethernet and IP), then text_bytes from
 * offset on. */
static struct rte_mbuf *cut(struct worker *w, struct rte_mbuf *m, uint16_t l2, uint16_t head,
                            uint32_t offset, uint16_t text_bytes, bool more, uint32_t id)
{
    struct rte_mbuf *piece = rte_pktmbuf_alloc(w->mbufs);
    const uint8_t *packet = rte_pktmbuf_mtod(m, const uint8_t *);
    bool v4 = packet[l2] >> 4 == 4;
    uint16_t n = v4 ? head : (uint16_t)(head + sizeof(struct rte_ipv6_fragment_ext));
    uint8_t *out;

    if (piece == NULL)
        return NULL;
    out = rte_pktmbuf_mtod(piece, uint8_t *);
    memcpy(out, packet, head);
    memcpy(out + n, packet + head + offset, text_bytes);
    if (v4) {
        struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(out + l2);

        ip->total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + text_bytes));
        ip->fragment_offset =
            rte_cpu_to_be_16((uint16_t)(offset / 8 | (more ? RTE_IPV4_HDR_MF_FLAG : 0)));
        ip->hdr_checksum = 0;
        ip->hdr_checksum = rte_ipv4_cksum(ip);
    } else {
        struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(out + l2);
        struct rte_ipv6_fragment_ext *ext = (struct rte_ipv6_fragment_ext *)(ip + 1);

        ext->next_header = ip->proto;
        ext->reserved = 0;
        ext->frag_data = rte_cpu_to_be_16((uint16_t)(offset | more)); /* a multiple of 8 */
        ext->id = id;
        ip->proto = IPPROTO_FRAGMENT;
        ip->payload_len = rte_cpu_to_be_16((uint16_t)(sizeof(*ext) + text_bytes));
    }
    piece->data_len = (uint16_t)(n + text_bytes);
    piece->pkt_len = piece->data_len;
    return piece;
}

/* Cuts an answer that is longer than the port's MTU (only echo replies are).  Not by
 * rte_ipv6_fragment_packet: it gives every packet identification 0, and chains of buffers, which
 * AF_XDP cannot send. */
void frag_send(struct worker *w, struct rte_mbuf *m, unsigned port)
{
    bool tagged = rte_pktmbuf_mtod(m, struct rte_ether_hdr *)->ether_type ==
                  rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN);
    uint16_t l2 =
        (uint16_t)(sizeof(struct rte_ether_hdr) + (tagged ? sizeof(struct rte_vlan_hdr) : 0));
    bool v4 = *rte_pktmbuf_mtod_offset(m, const uint8_t *, l2) >> 4 == 4;
    uint16_t ip_bytes = v4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
    uint16_t head = (uint16_t)(l2 + ip_bytes), most = w->core->settings.ports[port].mtu, fit;
    uint16_t room = (uint16_t)(rte_pktmbuf_data_room_size(w->mbufs) - RTE_PKTMBUF_HEADROOM - l2);
    uint32_t text_bytes = m->pkt_len - head, id = (uint32_t)rand_u64(&w->rand);

    if (most > room)
        most = room;
    fit = (uint16_t)(most - ip_bytes - (v4 ? 0 : sizeof(struct rte_ipv6_fragment_ext))) & 0xfff8;
    for (uint32_t at = 0; at < text_bytes; at += fit) {
        uint32_t rest = text_bytes - at;
        struct rte_mbuf *piece =
            cut(w, m, l2, head, at, (uint16_t)(rest < fit ? rest : fit), rest > fit, id);

        if (piece == NULL) {
            count_one(&w->counters[CORE_TX_NO_MBUF]);
            break;
        }
        frame_send(w, piece, port);
    }
    rte_pktmbuf_free(m);
}

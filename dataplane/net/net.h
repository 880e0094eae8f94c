/* net.h - the street door: frames to segments, and answers that need nobody above.
 *
 * Pure: bytes in, a verdict out.  ARP, NDP and ICMP echo are answered here into a frame the
 * caller gives; TCP comes out parsed and checksum-verified; everything else is a drop with a
 * reason from net_drops.def.  A destination address is accepted only on the port it is
 * configured on (strong host model, RFC 1122 s3.3.4.2).
 *
 * Threads: struct net is written by the main lcore before the workers start; neighbours
 * (net_neigh) have one writer, the owner worker, and readers that may see an entry change
 * between two looks, never a torn one.  Clock: now passed in.  Memory: none taken.
 */
#ifndef NET_H
#define NET_H

#include "base_count.h"
#include "base_types.h"
#include "wire_types.h"

#define NET_PORTS_MAX 8
#define NET_ADDRESSES_MAX 64
#define NET_GATEWAYS_MAX 4

struct net_address {
    struct ip_addr ip;
    uint8_t        prefix; /* bits of the IPv4 or IPv6 form */
};

struct net_if { /* one port */
    uint8_t            mac[MAC_BYTES];
    uint16_t           mtu;
    uint16_t           vlan;             /* 0: untagged only */
    uint8_t            addresses_count, gateways_count;
    bool               reply_by_gateway; /* false: to the MAC the frame came from */
    struct net_address addresses[NET_ADDRESSES_MAX];
    struct ip_addr     gateways[NET_GATEWAYS_MAX];
};

struct net; /* all ports, neighbours; opaque, one for the process */

size_t      net_bytes(void);
struct net *net_init(void *memory, const struct net_if *ports, unsigned count, const uint8_t secret[32]);

enum net_verdict {
    NET_DROP,     /* counted under ret->drop */
    NET_TCP,      /* ret->seg */
    NET_ANSWER,   /* ret->answer_bytes were written to the answer frame: send on the same port */
    NET_FRAGMENT, /* an IP fragment for us: reassemble and come back with the whole packet */
    NET_ICMP,     /* an ICMP error about one of our TCP flows: ret->icmp_* */
    NET_LEARNED   /* neighbour table changed, nothing to send */
};

struct net_result {
    enum net_verdict verdict;
    unsigned         drop;         /* enum net_drop */
    size_t           answer_bytes;
    unsigned         l3_offset;    /* where the IP header starts */
    struct tcp_seg   seg;
    struct tcp_key   icmp_key;     /* ours as local */
    uint32_t         icmp_seq;
    uint16_t         icmp_mtu;
    bool             icmp_hard;
};

/* checksum_good: the device has verified L3 and L4 checksums. answer: room for one frame of
 * at least NET_ANSWER_BYTES. */
#define NET_ANSWER_BYTES 2048
void net_input(struct net *net, unsigned port, struct span frame, bool checksum_good,
               struct usec now, uint8_t *answer, size_t answer_room, struct net_result *ret);

/* The flow's hash, the same whichever side computes it; owner worker = hash % workers.
 * For frames that are no TCP/ICMP-error for us it is 0: the owner of neighbours and
 * fragments is worker 0. */
uint32_t net_flow_hash(const struct net *net, unsigned port, struct span frame);

/* Encodes seg with Ethernet (802.1Q), IPv4/IPv6 and TCP headers and its payload into out.
 * Frame length, or 0 if room is too small.  Checksums: all in software unless l4_offload, then
 * the pseudo-header sum is put in the TCP checksum field and *ret_l2/l3/l4 lengths are set. */
struct net_lens {
    uint16_t l2, l3, l4;
};
size_t net_encode(struct net *net, const struct tcp_seg *seg, const struct span *text, unsigned pieces,
                  bool l4_offload, uint8_t *out, size_t room, struct net_lens *ret_lens);

/* Periodic: gratuitous ARP / unsolicited NA and DAD at start, gateway resolution and its
 * refresh.  Writes one frame at a time; 0 when there is none due.  Owner worker only. */
size_t net_tick(struct net *net, struct usec now, uint8_t *out, size_t room, unsigned *ret_port);

#endif
